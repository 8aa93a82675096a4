import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadHandlers } from "../../src/handlers/load-handlers.js";
import type { Handler } from "../../src/model/handler/handler.js";

const FIXTURES = fileURLToPath(new URL("./fixtures", import.meta.url));

const load = (path: string) => loadHandlers(path, FIXTURES);

/** Runs a handler that uses neither its job nor its context. */
function run(handler: Handler | undefined): unknown {
  return (handler as (() => unknown) | undefined)?.();
}

describe("loadHandlers", () => {
  test("takes the default export of a TypeScript module", async () => {
    const handlers = await load("./default-export.ts");
    expect(Object.keys(handlers)).toEqual(["greet", "mail.send"]);
    expect(run(handlers.greet)).toBe("hello from TypeScript");
  });

  test("takes named exports that are functions", async () => {
    const handlers = await load("named-exports.mjs");
    expect(Object.keys(handlers).toSorted()).toEqual(["greet", "shout"]);
    expect(run(handlers.greet)).toBe("hello from mjs");
    expect(await run(handlers.shout)).toBe("HELLO");
  });

  test("takes the default export of a JavaScript module, and then no named ones", async () => {
    const handlers = await load("plain.js");
    expect(Object.keys(handlers)).toEqual(["greet"]);
    expect(run(handlers.greet)).toBe("hello from js");
  });

  test("takes TypeScript of a package that is no ES module", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
    try {
      await writeFile(
        join(folder, "named.ts"),
        "export const version: number = 3;\nexport const greet = () => version;\n",
      );
      await cp(join(FIXTURES, "default-export.ts"), join(folder, "default.ts"));
      expect(Object.keys(await loadHandlers("named.ts", folder))).toEqual(["greet"]);
      const handlers = await loadHandlers("default.ts", folder);
      expect(Object.keys(handlers)).toEqual(["greet", "mail.send"]);
      expect(run(handlers.greet)).toBe("hello from TypeScript");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("finds a module by its full path", async () => {
    expect(Object.keys(await loadHandlers(`${FIXTURES}/plain.js`, "/"))).toEqual(["greet"]);
  });

  test.each([
    ["is not there", "missing.mjs", /^missing\.mjs cannot be loaded: .*missing\.mjs/],
    ["is not there, in TypeScript", "missing.ts", /^missing\.ts cannot be loaded: .*missing\.ts/],
    ["throws while it loads", "throws.ts", /^throws\.ts cannot be loaded: the database is away$/],
    ["exports no function", "nothing.mjs", /^nothing\.mjs exports no handler: export default \{/],
    ["has a handler that is none", "not-a-function.mjs", /: the handler of "version" is not a function$/],
    ["has middleware that is no list", "bad-middleware.mjs", /: middleware: must be a list of functions$/],
    ["has a type that is too long", "long-type.mjs", /: "x{129}" is not a job type$/],
  ])("says what is wrong when a module %s", async (_what, path, message) => {
    await expect(load(path)).rejects.toThrow(message);
  });
});
