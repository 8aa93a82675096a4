import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";

// npm start, and the commands for operators, build only where they can and have to: not in an unpacked package, which has no
// sources, and not without the development dependencies, as after `npm ci --omit=dev`. What is built then is run.

const SOURCES = [
  "src",
  "gen",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "vite.config.ts",
];
const BUILDERS = ["typescript", "vite"];
const MAIN = ".build/src/main.js";
/** The last file that a build writes. */
const LAST = ".build/console/index.html";

/** When the newest file of a path was changed, ms since 1970; 0: there is none. */
function changedAt(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(found.mtimeMs, ...readdirSync(path).map((name) => changedAt(`${path}/${name}`)));
}

const isBuilt = existsSync(MAIN) && existsSync(LAST);
const isStale = isBuilt && existsSync("src/main.ts") && Math.max(...SOURCES.map(changedAt)) > changedAt(LAST);
const canBuild = existsSync("src/main.ts") && BUILDERS.every((name) => existsSync(`node_modules/${name}`));

if (canBuild && (!isBuilt || isStale)) {
  process.exitCode = spawnSync("npm", ["run", "--silent", "build"], { stdio: "inherit" }).status ?? 1;
} else if (!isBuilt) {
  process.stderr.write("nothing is built here: run `npm ci && npm run build`, then `npm ci --omit=dev` if you like\n");
  process.exitCode = 1;
} else if (isStale) {
  process.stderr.write(
    "running what is built, which is older than the sources: development dependencies are missing\n",
  );
}
