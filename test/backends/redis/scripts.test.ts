import { expect, test } from "vitest";
import { createScripts } from "../../../src/backends/redis/queues/queue-calls.js";
import { REDIS_TIME } from "../../../src/backends/redis/scripts/script.js";

test("no script makes functions that it does not call, nor brings comments along", () => {
  const scripts = Object.entries(createScripts(REDIS_TIME, []));
  for (const [name, { text }] of scripts) {
    const functions = [...text.matchAll(/^local function (\w+)/gm)].map((match) => match[1] ?? "");
    // A field or a local of the same name is no use of it: it is called, handed to another, or chosen.
    const idle = functions.filter((each) => {
      const uses = text.match(new RegExp(`(?<![.\\w])${each}\\(|\\(${each},|\\b(?:and|or) ${each}\\b`, "g"));
      return uses?.length === 1;
    });
    expect(idle, name).toEqual([]);
    expect(text, name).not.toMatch(/^\s*--/m);
  }
  const show = scripts.find(([name]) => name === "show")?.[1].text;
  expect(show).toContain("local function snapshot");
  expect(show).not.toContain("local function finish");
});
