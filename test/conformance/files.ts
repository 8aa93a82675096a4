import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createFileRegistry, type DescMessage, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Where the suite is installed, and its descriptors are kept. */
export const TOOLS = fileURLToPath(new URL(".tools/", import.meta.url));

/** The program that runs the suite. */
export const RUNNER = `${TOOLS}connectconformance`;

/** The suite's own protos, as a set of descriptors. */
export const DESCRIPTORS = `${TOOLS}conformance.binpb`;

/** The package of the suite's protos. */
export const PACKAGE = "connectrpc.conformance.v1";

/** Reads the suite's types. They come with the suite, so no code is generated of them that TypeScript would need. */
export function readTypes(): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(DESCRIPTORS)));
}

/** A message of the suite, by its name in the package. */
export function messageOf(types: FileRegistry, name: string): DescMessage {
  const found = types.getMessage(`${PACKAGE}.${name}`);
  if (found === undefined) throw new Error(`the suite has no ${name}`);
  return found;
}
