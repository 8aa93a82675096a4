import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { commentOf } from "./comments.js";
import type { Schema, Schemas } from "./schemas.js";

/** What a path of a document can do, by the method of HTTP. */
export type PathItem = Readonly<Record<string, unknown>>;

const STREAM_TYPE = "application/connect+json";

/** What both ways of a stream are: OpenAPI 3.1 has no words for parts of a body. */
const FRAMES =
  "A sequence of frames: a byte of flags, the length as 4 bytes (the highest first), and so many bytes of JSON in UTF-8.";

/** The methods of a service by their paths, in Connect's protocol with JSON. */
export function pathsOf(service: DescService, schemas: Schemas): Record<string, PathItem> {
  return Object.fromEntries(
    service.methods
      .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming")
      .map((method) => [`/${service.typeName}/${method.name}`, pathOf(method, schemas)]),
  );
}

function pathOf(method: DescMethod, schemas: Schemas): PathItem {
  const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  if (method.methodKind === "server_streaming") return { post: ofStream(method, schemas) };
  return { ...(isRead && { get: ofGet(method, schemas) }), post: ofPost(method, schemas) };
}

function headOf(method: DescMethod, suffix = ""): Schema {
  const { name, parent } = method;
  return { operationId: `${parent.name}_${name}${suffix}`, tags: [parent.name], summary: name };
}

function ofPost(method: DescMethod, schemas: Schemas): Schema {
  return {
    ...headOf(method),
    description: commentOf(method),
    parameters: [refTo("parameters", "Timeout"), refTo("parameters", "RequestId")],
    requestBody: { required: true, content: json(schemas.of(method.input)) },
    responses: answersOf(method, schemas),
  };
}

function ofGet(method: DescMethod, schemas: Schemas): Schema {
  return {
    ...headOf(method, "_get"),
    description: `The same as the POST, with the message in the URL.\n\n${commentOf(method)}`,
    parameters: [
      {
        ...{ name: "message", in: "query", required: true, description: "The request, as JSON." },
        content: json(schemas.of(method.input)),
      },
      ...["Encoding", "Base64", "Compression", "ConnectVersion", "Timeout", "RequestId"].map((name) =>
        refTo("parameters", name),
      ),
    ],
    responses: answersOf(method, schemas),
  };
}

function answersOf(method: DescMethod, schemas: Schemas): Schema {
  return {
    200: { description: describedBy(method), content: json(schemas.of(method.output)) },
    default: refTo("responses", "ConnectError"),
  };
}

function ofStream(method: DescMethod, schemas: Schemas): Schema {
  const { input, output } = method;
  const [asked, answered] = [schemas.of(input), schemas.of(output)];
  return {
    ...headOf(method),
    description:
      `${commentOf(method)}\n\nA stream: its bodies are no JSON, but frames with JSON in them. Clients of Connect, gRPC and gRPC-Web ` +
      "read it; a client that is made of this document alone cannot.",
    parameters: [refTo("parameters", "Timeout"), refTo("parameters", "RequestId")],
    requestBody: { required: true, content: frames(`${FRAMES} One frame, a ${input.name}.`, asked) },
    responses: {
      200: {
        description:
          `${FRAMES} Each is a ${output.name}; the last one has the flag 2 and is \`{}\` or \`{"error": …}\`, the error as other calls ` +
          "have it: a stream that is refused is answered with 200 too.",
        content: frames(describedBy(method), answered),
      },
      default: refTo("responses", "ConnectError"),
    },
  };
}

function describedBy({ output }: DescMethod): string {
  return commentOf(output) || output.name;
}

function json(schema: Schema): Schema {
  return { "application/json": { schema } };
}

/** `x-message`: what is in the frames. */
function frames(description: string, message: Schema): Schema {
  return { [STREAM_TYPE]: { schema: { type: "string", format: "binary", description }, "x-message": message } };
}

/** A reference to a component of the document. */
export function refTo(kind: string, name: string): Schema {
  return { $ref: `#/components/${kind}/${name}` };
}
