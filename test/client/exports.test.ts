import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import * as library from "gotaskq";
import * as client from "gotaskq/client";
import { describe, expect, expectTypeOf, test } from "vitest";

const BUILTINS = new Set(builtinModules);
const IMPORTS = /^\s*(?:import|export)\s[^;]*?from\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']/gms;

/** Returns every file that a bundler would put into the bundle of `entry`, with the packages that it imports. */
function bundled(entry: string, found = new Map<string, string[]>()): Map<string, string[]> {
  if (found.has(entry)) return found;
  const code = readFileSync(entry, "utf8");
  const specifiers = [...code.matchAll(IMPORTS)].flatMap(([, from, bare]) => from ?? bare ?? []);
  found.set(entry, specifiers);
  for (const specifier of specifiers) {
    if (specifier.startsWith("node:") || BUILTINS.has(specifier)) continue;
    bundled(resolve(specifier, entry), found);
  }
  return found;
}

function resolve(specifier: string, from: string): string {
  if (specifier.startsWith(".")) {
    const path = fileURLToPath(new URL(specifier, `file://${from}`));
    return from.endsWith(".ts") ? path.replace(/\.js$/, ".ts") : path;
  }
  return fileURLToPath(import.meta.resolve(specifier));
}

describe("gotaskq/client/web", () => {
  const entry = fileURLToPath(new URL("../../src/client/web.ts", import.meta.url));
  const files = bundled(entry);

  test("imports nothing of Node, however deep", () => {
    const ofNode = [...files].flatMap(([file, specifiers]) =>
      specifiers.filter((each) => each.startsWith("node:") || BUILTINS.has(each)).map((each) => `${file}: ${each}`),
    );
    expect(ofNode).toEqual([]);
    // Browsers need no OpenTelemetry of ours: what instruments `fetch` there sends the headers.
    expect([...files.values()].flat()).not.toContain("@opentelemetry/api");
    // The search did look at the files of the client, at gen, and into packages.
    for (const part of ["/src/client/calls.ts", "/gen/gotaskq/v1/job_pb.ts", "/connect-web/", "/protobuf/"]) {
      expect([...files.keys()].some((file) => file.includes(part))).toBe(true);
    }
  });

  test("uses nothing that only Node has", () => {
    for (const file of [...files.keys()].filter((each) => each.includes("/src/"))) {
      const code = readFileSync(file, "utf8").replace(/^\s*(\/\*\*|\*|\/\/).*$/gm, "");
      expect(code, file).not.toMatch(/\b(process|Buffer|setImmediate|__dirname|require)\b\s*[.(]/);
    }
  });

  test("is what the entry for Node is found to need Node for", () => {
    const node = bundled(fileURLToPath(new URL("../../src/client/index.ts", import.meta.url)));
    expect([...node.values()].flat()).toContain("node:os");
  });
});

test("the library and the client share one error class and one set of handler types", () => {
  expect(client.TaskQueueError).toBe(library.TaskQueueError);
  expect(client.PermanentError).toBe(library.PermanentError);
  expect(client.RetryAfterError).toBe(library.RetryAfterError);
  expect(client.SnoozeError).toBe(library.SnoozeError);
  expect(client.AttemptAborted).toBe(library.AttemptAborted);
  expectTypeOf<client.Handlers>().toEqualTypeOf<library.Handlers>();
  expectTypeOf<client.Logger>().toEqualTypeOf<library.Logger>();
});

test("the library changes a waiting job as the client does", async () => {
  const queue = library.createTaskQueue({ logger: library.silentLogger });
  const { job } = await queue.create({ type: "work", payload: { n: 1 }, delayMs: 1000 });
  const runAfter = new Date(job.createdAt + 5000);
  expect(await queue.update(job.id, { priority: 2, runAfter, payload: null })).toMatchObject({
    ...{ priority: 2, runAfter: runAfter.getTime(), payload: null, revision: 2 },
  });
  await expect(queue.update(job.id, { payload: (() => undefined) as never })).rejects.toMatchObject({
    violations: [{ field: "payload" }],
  });
  await queue.stop();
});
