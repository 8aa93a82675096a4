import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponse_Feature,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { createDocument } from "./document.js";

// A plugin of protoc and buf: reads a CodeGeneratorRequest at stdin, and writes the OpenAPI document as openapi.json. At run time there
// are no comments in the descriptors; a compiler has them. Standard services have no document of their own: nothing is made of them.

const OWN_PACKAGE = "gotaskq.v1";

async function readAll(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const request = fromBinary(CodeGeneratorRequestSchema, await readAll(process.stdin));
const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: request.protoFile }));
const files = request.fileToGenerate
  .map((name) => registry.getFile(name))
  .filter((file) => file !== undefined)
  .filter(({ proto }) => proto.package === OWN_PACKAGE);
const content = `${JSON.stringify(createDocument(files), null, 2)}\n`;
const response = create(CodeGeneratorResponseSchema, {
  supportedFeatures: BigInt(CodeGeneratorResponse_Feature.PROTO3_OPTIONAL),
  file: files.length === 0 ? [] : [{ name: "openapi.json", content }],
});
process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));
