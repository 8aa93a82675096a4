import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The root of the project, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Reads a README, by its path in the project. */
export function readReadme(path: string): string {
  return readFileSync(`${ROOT}${path}`, "utf8");
}

/** The section `## <title>` of a README, or what is below `### <title>`. Throws when it has none. */
export function section(path: string, title: string): string {
  const text = readReadme(path);
  for (const marks of ["##", "###"]) {
    const found = text.split(new RegExp(`^#{2,${marks.length}} `, "m")).find((part) => part.startsWith(`${title}\n`));
    if (found !== undefined) return found;
  }
  throw new Error(`${path} has no section "${title}"`);
}

/** The code blocks of one language in a section. */
export function blocks(path: string, title: string, language: string): string[] {
  const all = section(path, title).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"));
  return [...all].map(([, code = ""]) => code);
}
