import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { UnsupportedError } from "./unsupported-error.js";

/** A message by the names of its members. */
export type Fields = Readonly<Record<string, unknown>>;

/** `FeatureSet.FieldPresence.IMPLICIT`: a zero is not told from what was not set. */
const IMPLICIT = 2;

/** Whether a zero of this field is not sent in binary, and is written in JSON all the same. */
export function isImplicit(field: DescField): boolean {
  return field.presence === IMPLICIT && field.oneof === undefined;
}

/** Reads a field of a group; undefined when it is not set, or another one is. */
export function memberOf({ localName, oneof }: DescField): (message: Fields) => unknown {
  const group = oneof?.localName ?? "";
  return (message) => {
    const member = message[group] as { readonly case: string | undefined; readonly value?: unknown };
    return member.case === localName ? member.value : undefined;
  };
}

/** Whether a map has any entry. */
export function hasEntries(map: object): boolean {
  for (const _key in map) return true;
  return false;
}

/** Sets the field of a group; throws `UnsupportedError` when one is set: the last one would win, and messages are merged. */
export function setGroup(message: Record<string, unknown>, group: string, localName: string, value: unknown): void {
  if ((message[group] as { case?: string }).case !== undefined) throw new UnsupportedError();
  message[group] = { case: localName, value };
}

/** The value of a field with implicit presence that is not sent, where one comparison tells. */
export function zeroOf({ scalar, enum: ofEnum }: DescField): number | string | boolean | undefined {
  if (ofEnum !== undefined) return 0;
  switch (scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return 0;
    default:
      return undefined;
  }
}

/** Whether a value of a field with implicit presence is more than zero. Of doubles, minus zero is. */
export function presenceOf({ scalar }: DescField): (value: unknown) => boolean {
  if (scalar === ScalarType.DOUBLE) return (value) => !Object.is(value, 0);
  if (scalar === ScalarType.BYTES) return (value) => (value as Uint8Array).byteLength > 0;
  return (value) => value !== 0 && value !== 0n;
}
