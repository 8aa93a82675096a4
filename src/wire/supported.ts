import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema, FieldMaskSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { StatusSchema } from "../../gen/google/rpc/status_pb.js";

const SCALARS: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.STRING,
  ScalarType.BYTES,
  ScalarType.BOOL,
  ScalarType.INT32,
  ScalarType.UINT32,
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.DOUBLE,
]);

const WELL_KNOWN: ReadonlySet<string> = new Set([
  ValueSchema.typeName,
  DurationSchema.typeName,
  TimestampSchema.typeName,
  FieldMaskSchema.typeName,
  // Its details are of types that are known; see error-details.ts.
  StatusSchema.typeName,
]);

const known = new Map<DescMessage, boolean>();

/** Whether our decoders read all messages of a type: every field of it, and of the types in it, is of a kind that they know. */
export function isSupported(desc: DescMessage): boolean {
  let answer = known.get(desc);
  if (answer === undefined) {
    // Known before its fields are looked at: they may be of its own type.
    known.set(desc, true);
    answer = WELL_KNOWN.has(desc.typeName) || (!isOfGoogle(desc) && desc.fields.every(isSupportedField));
    known.set(desc, answer);
  }
  return answer;
}

/** Types that JSON has a form of its own for. */
function isOfGoogle({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}

function isSupportedField(field: DescField): boolean {
  if ((field as { readonly delimitedEncoding?: boolean }).delimitedEncoding) return false;
  if (field.fieldKind === "map" && field.mapKey !== ScalarType.STRING) return false;
  if (field.message !== undefined) return isSupported(field.message);
  return field.enum !== undefined ? field.enum.open : SCALARS.has(field.scalar);
}
