import { fileURLToPath } from "node:url";
import type { ChildProgram } from "./supervised-child.js";

/** The program of this name beside a module (its `import.meta.url`): the build, or the source where that runs as it is. */
export function programBeside(moduleUrl: string, name: string): ChildProgram {
  const isBuilt = moduleUrl.endsWith(".js");
  const path = fileURLToPath(new URL(`./${name}${isBuilt ? ".js" : ".ts"}`, moduleUrl));
  return { path, nodeOptions: isBuilt ? [] : ["--import", "tsx"] };
}
