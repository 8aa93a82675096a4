import { existsSync, readFileSync } from "node:fs";

let known: string | undefined;

/** Returns the version of this package, or "unknown" when its package.json is not where it should be. Reads it once. */
export function readVersion(): string {
  known ??= read();
  return known;
}

function read(): string {
  // Relative to the sources, and relative to the built files, which are one folder deeper.
  for (const path of ["../package.json", "../../package.json"]) {
    const file = new URL(path, import.meta.url);
    if (!existsSync(file)) continue;
    const { name, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
    if (name === "gotaskq" && version !== undefined) return version;
  }
  return "unknown";
}
