import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

// Where plain protoc puts the code that it makes of the protos. Programs of users import it by these names: a value that
// is here must never change.

const OPTIONS = {
  csharp_namespace: '"GoTaskQ.V1"',
  go_package: '"gotaskq/v1;gotaskqv1"',
  java_multiple_files: "true",
  java_package: '"gotaskq.v1"',
  objc_class_prefix: '"GTQ"',
  php_metadata_namespace: String.raw`"GoTaskQ\\V1\\GPBMetadata"`,
  php_namespace: String.raw`"GoTaskQ\\V1"`,
  ruby_package: '"GoTaskQ::V1"',
};

const folder = new URL("../../proto/gotaskq/v1/", import.meta.url);

test.each(readdirSync(folder))("%s keeps the names of its code in other languages", (name) => {
  const text = readFileSync(new URL(name, folder), "utf8");
  const options = Object.fromEntries(
    [...text.matchAll(/^option (\w+) = (.*);$/gm)].map(([, key, value]) => [key, value]),
  );
  const outer = name.replace(".proto", "").replaceAll(/(^|_)(\w)/g, (_all, _gap, first: string) => first.toUpperCase());
  expect(options).toEqual({ ...OPTIONS, java_outer_classname: `"${outer}Proto"` });
});
