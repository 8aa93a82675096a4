import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { documented } from "../../../../src/backends/redis/layout/document.js";

test("the README has the layout as it is: else run npm run redis:document", async () => {
  const readme = await readFile(new URL("../../../../src/backends/redis/README.md", import.meta.url), "utf8");
  expect(readme).toBe(documented(readme));
});
