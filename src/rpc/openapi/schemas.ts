import { type DescEnum, type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { commentOf } from "./comments.js";

/** A JSON Schema, as OpenAPI 3.1 has it. */
export type Schema = Readonly<Record<string, unknown>>;

/** The schemas of the messages and enums of a document, by their full names. */
export interface Schemas {
  /** The schema of a message, by reference; it and what it consists of are in `all` from then on. */
  of(message: DescMessage): Schema;
  /** In the order of their names. */
  all(): Readonly<Record<string, Schema>>;
}

/** The types of google.protobuf and google.rpc whose JSON is not that of their fields. */
const WELL_KNOWN: Readonly<Record<string, Schema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time", examples: ["2027-01-31T12:00:00Z"] },
  "google.protobuf.Duration": {
    type: "string",
    pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$",
    examples: ["3600s", "0.5s"],
  },
  "google.protobuf.FieldMask": { type: "string", examples: ["settings.weight,settings.maxDepth"] },
  // Any JSON value.
  "google.protobuf.Value": {},
  "google.protobuf.Any": {
    type: "object",
    properties: { "@type": { type: "string", description: "Names the type of the other members." } },
    required: ["@type"],
    additionalProperties: true,
  },
};

const SCALARS: ReadonlyMap<ScalarType, Schema> = new Map<ScalarType, Schema>([
  [ScalarType.STRING, { type: "string" }],
  [ScalarType.BOOL, { type: "boolean" }],
  [ScalarType.BYTES, { type: "string", contentEncoding: "base64" }],
  [ScalarType.INT32, { type: "integer", format: "int32" }],
  [ScalarType.UINT32, { type: "integer", format: "int64", minimum: 0 }],
  [ScalarType.DOUBLE, { type: "number", format: "double" }],
  // As text: most languages read numbers of JSON as doubles.
  [ScalarType.INT64, { type: "string", format: "int64", pattern: "^-?[0-9]+$" }],
  [ScalarType.UINT64, { type: "string", format: "uint64", pattern: "^[0-9]+$" }],
]);

/** Collects schemas. */
export function createSchemas(): Schemas {
  const found = new Map<string, Schema>();

  function refer(desc: DescMessage | DescEnum): Schema {
    const { typeName } = desc;
    if (!found.has(typeName)) {
      // Before its parts: one of them may be of the same type.
      found.set(typeName, {});
      found.set(typeName, desc.kind === "enum" ? ofEnum(desc) : ofMessage(desc));
    }
    return { $ref: `#/components/schemas/${typeName}` };
  }

  function ofMessage(desc: DescMessage): Schema {
    const clashes = desc.oneofs.flatMap(pairsOf).map((names) => ({ required: names }));
    return {
      type: "object",
      ...described(commentOf(desc)),
      properties: Object.fromEntries(desc.fields.map((field) => [field.jsonName, ofField(field)])),
      ...(clashes.length > 0 && { not: clashes.length === 1 ? clashes[0] : { anyOf: clashes } }),
    };
  }

  function ofField(field: DescField): Schema {
    const comment = described(commentOf(field), choiceOf(field));
    if (field.fieldKind === "list") return { type: "array", ...comment, items: ofValue(field) };
    if (field.fieldKind === "map") return { type: "object", ...comment, additionalProperties: ofValue(field) };
    return { ...ofValue(field), ...comment };
  }

  function ofValue({ message, enum: ofEnum, scalar }: DescField): Schema {
    if (message !== undefined) return WELL_KNOWN[message.typeName] ?? refer(message);
    if (ofEnum !== undefined) return refer(ofEnum);
    const schema = SCALARS.get(scalar as ScalarType);
    if (schema === undefined) throw new TypeError(`there is no schema for the scalar type ${scalar}`);
    return schema;
  }

  return {
    of: refer,
    all: () => Object.fromEntries([...found].sort(([one], [other]) => (one < other ? -1 : 1))),
  };
}

function ofEnum(desc: DescEnum): Schema {
  const values = desc.values.map((value) => `- \`${value.name}\`: ${commentOf(value).replace(/\n/g, " ")}`);
  return {
    type: "string",
    ...described(commentOf(desc), values.join("\n")),
    enum: desc.values.map(({ name }) => name),
  };
}

/** The pairs of members of a oneof, which are not set together. */
function pairsOf({ fields }: DescOneof): [string, string][] {
  const names = fields.map(({ jsonName }) => jsonName);
  return names.flatMap((one, index) => names.slice(index + 1).map((other): [string, string] => [one, other]));
}

/** What is said of the oneof that a field belongs to. */
function choiceOf({ jsonName, oneof }: DescField): string {
  if (oneof === undefined) return "";
  const others = oneof.fields.filter((field) => field.jsonName !== jsonName).map((field) => `\`${field.jsonName}\``);
  return [commentOf(oneof), others.length > 0 && `Not together with ${others.join(" or ")}.`].filter(Boolean).join(" ");
}

function described(...paragraphs: string[]): Schema {
  const description = paragraphs.filter((paragraph) => paragraph !== "").join("\n\n");
  return description === "" ? {} : { description };
}
