import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/readme.js";
import { newFolder, pack, run } from "./support.js";

const folder = newFolder();
let tarball: string;

beforeAll(() => {
  tarball = pack(folder);
});

test("the package holds what is run and what describes it, and no more", () => {
  run(folder, "tar", "xzf", tarball);
  const paths = run(folder, "tar", "tzf", tarball).trim().split("\n");
  const names = paths.map((path) => path.replace(/^package\//, ""));
  const { exports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { exports: object };
  const entries = [...JSON.stringify(exports).matchAll(/"\.\/([^"]+\.(?:js|ts))"/g)].map(([, path]) => path);
  expect(entries.length).toBeGreaterThan(6);
  expect(names).toEqual(
    expect.arrayContaining([
      ...entries,
      ...[
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "proto/gotaskq/v1/job_service.proto",
        ".build/gen/openapi.json",
        ".build/console/index.html",
      ],
    ]),
  );
  const kinds = [
    /^\.build\/(src|gen)\/.+\.(js|js\.map|d\.ts)$/,
    /^\.build\/gen\/openapi\.json$/,
    /^\.build\/console\//,
    /^proto\/.+\.proto$/,
    /^((src|proto)\/(.+\/)?)?[A-Z]+(\.md)?$/,
    /^\.ops\/(prestart\.mjs|README\.md)$/,
    /^package\.json$/,
  ];
  expect(names.filter((name) => !kinds.some((kind) => kind.test(name)))).toEqual([]);
  // A map that leads to sources which are not there would be of no use.
  const { sourcesContent } = JSON.parse(readFileSync(join(folder, "package/.build/src/index.js.map"), "utf8"));
  expect(sourcesContent[0]).toContain("import");
});

test("publint has nothing to say of it", () => {
  const said = run(ROOT, process.execPath, "node_modules/publint/src/cli.js", "--strict", tarball);
  expect(said).toContain("All good!");
});
