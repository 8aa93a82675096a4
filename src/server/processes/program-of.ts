import { fileURLToPath } from "node:url";
import type { ChildProgram } from "../../supervisor/supervised-child.js";

/** The program of that name in this folder, for processes of their own: the build, or the source where that runs as it is. */
export function programOf(name: "serving-main" | "store-main"): ChildProgram {
  const isBuilt = import.meta.url.endsWith(".js");
  const path = fileURLToPath(new URL(`./${name}${isBuilt ? ".js" : ".ts"}`, import.meta.url));
  return { path, nodeOptions: isBuilt ? [] : ["--import", "tsx"] };
}
