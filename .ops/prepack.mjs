import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

// npm pack, npm publish and an install from git: a package holds what is built from the sources as they are, and nothing that an
// older build left behind.

for (const path of ["src", "gen", "console", "tsbuildinfo"]) rmSync(`.build/${path}`, { recursive: true, force: true });
process.exitCode = spawnSync("npm", ["run", "--silent", "build"], { stdio: "inherit" }).status ?? 1;
