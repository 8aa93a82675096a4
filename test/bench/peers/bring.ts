import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GO_ENVIRONMENT, requireVersion, run } from "../../clients/prepare.js";

// Brings other job queues into a folder outside of the repository, which the next run finds again. Nothing of them is
// installed in the repository.

const FOLDER =
  process.env.PEERS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "gotaskq-bench-peers");

/** The oldest Go that the peers in Go build with. */
const GO = [1, 24];

/** The repository, seen from the compiled file. */
export const root = fileURLToPath(new URL("../../../../", import.meta.url));

/**
 * Installs packages of npm, with exact versions, and puts the driver beside them. Runs no script of theirs. Returns the
 * folder. Throws why that is not possible.
 */
export function bringFromNpm(name: string, packages: Readonly<Record<string, string>>): string {
  const folder = join(FOLDER, name);
  const manifest = JSON.stringify({ private: true, type: "module", dependencies: packages });
  const path = join(folder, "package.json");
  const isThere = existsSync(path) && readFileSync(path, "utf8") === manifest;
  // npm writes this file last.
  if (!isThere || !existsSync(join(folder, "node_modules", ".package-lock.json"))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, manifest);
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
  }
  for (const file of ["drive.js", `${name}.js`]) {
    copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(folder, file));
  }
  return folder;
}

/**
 * Builds a program in Go: the driver `go/<name>`, or a package that it requires. Returns its path. Throws why that is not
 * possible.
 */
export function bringWithGo(name: string, packageName = "."): string {
  requireVersion("go", ["version"], GO);
  mkdirSync(FOLDER, { recursive: true });
  const program = join(FOLDER, packageName === "." ? `${name}-driver` : name);
  const cwd = join(root, "test/bench/peers/go", name);
  run("go", ["build", "-o", program, packageName], { cwd, env: GO_ENVIRONMENT });
  return program;
}
