import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** One instruction of a recipe for an image, as in `COPY`, and what follows it. */
interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** What a container of the image runs, and with what. */
export interface Image {
  /** The root of its file system, but for what the base image has. */
  readonly root: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
}

/** Reads a recipe. Knows only what that of this repository uses. */
function parse(text: string): Instruction[] {
  const lines = text.replace(/\\\n/g, " ").split("\n");
  return lines
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return { name, text: rest };
    });
}

/**
 * Follows a recipe in folders: copies what it copies and runs what it runs, on this machine in place of the base images. Returns
 * what the last stage is.
 */
export function follow(recipe: string, context: string, folder: string): Image {
  const stages = new Map<string, string>();
  let root = "";
  let workdir = "/";
  let env: Record<string, string> = {};
  let user = "root";
  let command: string[] = [];
  let healthcheck: string[] = [];
  for (const { name, text } of parse(recipe)) {
    if (name === "FROM") {
      const [, as = "last"] = / AS (\S+)$/.exec(text) ?? [];
      root = join(folder, as);
      stages.set(as, root);
      [workdir, env, user, command, healthcheck] = ["/", {}, "root", [], []];
    } else if (name === "WORKDIR") {
      workdir = text;
      mkdirSync(join(root, workdir), { recursive: true });
    } else if (name === "ENV") {
      const [key = "", value = ""] = text.split("=", 2);
      env[key] = value;
    } else if (name === "COPY") {
      const [, from, rest = ""] = /^(?:--from=(\S+) )?(.*)$/.exec(text) ?? [];
      const parts = rest.split(" ");
      const target = join(root, workdir, parts.pop() ?? "");
      for (const part of parts) {
        const source = join(from === undefined ? context : (stages.get(from) ?? ""), part);
        const isInto = rest.endsWith("/");
        const place = isInto ? join(target, basename(source)) : target;
        mkdirSync(dirname(place), { recursive: true });
        cpSync(source, place, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      }
    } else if (name === "RUN") {
      const { PATH = "", HOME = "" } = process.env;
      const cwd = join(root, workdir);
      execFileSync("/bin/sh", ["-c", text], { cwd, env: { PATH, HOME, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    } else if (name === "USER") user = text;
    else if (name === "CMD") command = JSON.parse(text);
    else if (name === "HEALTHCHECK") healthcheck = JSON.parse(text.slice(text.indexOf("[")));
    else if (name !== "EXPOSE" && name !== "STOPSIGNAL")
      throw new Error(`the recipe has ${name}, which is not known here`);
  }
  return { root, workdir, env, user, command, healthcheck };
}
