import { existsSync, readFileSync } from "node:fs";

/** The version of this package; "unknown" when its package.json is not where it should be. */
export function readVersion(): string {
  // From the sources, and from what is built of them one folder deeper.
  for (const path of ["../../package.json", "../../../package.json"]) {
    const file = new URL(path, import.meta.url);
    if (!existsSync(file)) continue;
    const { name, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
    if (name === "gotaskq" && version !== undefined) return version;
  }
  return "unknown";
}
