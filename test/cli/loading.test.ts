import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/registry.js";

const SOURCE = fileURLToPath(new URL("../../src/", import.meta.url));
/** Imports that are there at once; those of types vanish, and `import()` comes when it is called. */
const IMPORTS = /^(?:import|export)\s(?!type\s)[^;]*?from\s*"([^"]+)";|^import\s*"([^"]+)";/gms;

/** Returns the files of ours and the packages that are loaded with a file. */
function loaded(entry: string, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  if (!entry.startsWith("/")) return found;
  for (const [, from, bare] of readFileSync(entry, "utf8").matchAll(IMPORTS)) {
    const specifier = from ?? bare ?? "";
    if (!specifier.startsWith(".")) loaded(specifier, found);
    else loaded(fileURLToPath(new URL(specifier.replace(/\.js$/, ".ts"), `file://${entry}`)), found);
  }
  return found;
}

const ours = (files: Iterable<string>) => [...files].map((file) => file.replace(SOURCE, ""));
const packages = (files: Iterable<string>) =>
  [...files].filter((file) => !file.startsWith("/") && !file.startsWith("node:"));

test("the program loads no command, no client and no server before it knows what is asked for", () => {
  const files = loaded(`${SOURCE}cli/main.ts`);
  expect(packages(files)).toEqual(["commander"]);
  expect(
    ours(files).filter((file) => /^(client|server|backends|core|rpc|wire|handlers)\/|^cli\/commands\//.test(file)),
  ).toEqual([]);
});

test.each(COMMANDS.map(({ name }) => name))(
  "the command %s loads neither client nor server with its options",
  (name) => {
    const files = loaded(`${SOURCE}cli/commands/${name}.ts`);
    expect(packages(files).filter((each) => each !== "commander")).toEqual([]);
    expect(ours(files).filter((file) => /^(client|server|backends|core|rpc|wire|handlers)\//.test(file))).toEqual([]);
  },
);

test("the client, which calls load, brings no server, no Redis and no pino", () => {
  const files = loaded(`${SOURCE}client/index.ts`);
  expect(packages(files).filter((each) => !each.startsWith("@"))).toEqual([]);
  expect(ours(files).filter((file) => /^(server|backends|rpc)\//.test(file))).toEqual([]);
});
