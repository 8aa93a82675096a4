import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { UnsupportedError } from "./unsupported-error.js";

/** A message by the local names of its members. */
export type Fields = Readonly<Record<string, unknown>>;

/** `FeatureSet.FieldPresence.IMPLICIT`: a zero cannot be told from a value that was not set. */
const IMPLICIT = 2;

/** Whether zero is left out for this field in binary, and written all the same in JSON. */
export function isImplicit(field: DescField): boolean {
  return field.presence === IMPLICIT && field.oneof === undefined;
}

/** Returns a function that reads a field of a oneof; undefined when the field is not the one that is set. */
export function memberOf({ localName, oneof }: DescField): (message: Fields) => unknown {
  const group = oneof?.localName ?? "";
  return (message) => {
    const member = message[group] as { readonly case?: string | undefined; readonly value?: unknown } | undefined;
    return member?.case === localName ? member.value : undefined;
  };
}

/** Whether a map has any entry. */
export function hasEntries(map: object): boolean {
  for (const _key in map) return true;
  return false;
}

/** Sets a name of an object, also `__proto__`, which an assignment would take for something else. */
export function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

/** Sets the field of a group; throws `UnsupportedError` when one is set: the last one would win, and messages are merged. */
export function setGroup(message: Record<string, unknown>, group: string, localName: string, value: unknown): void {
  if ((message[group] as { case?: string }).case !== undefined) throw new UnsupportedError();
  message[group] = { case: localName, value };
}

/**
 * The value of a field with implicit presence that is not sent. Undefined for types for which one comparison with it is
 * not enough.
 */
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

/** Returns whether a value of a field with implicit presence is sent. Minus zero is, for doubles. */
export function presenceOf({ scalar }: DescField): (value: unknown) => boolean {
  if (scalar === ScalarType.DOUBLE) return (value) => !Object.is(value, 0);
  if (scalar === ScalarType.BYTES) return (value) => (value as Uint8Array).byteLength > 0;
  return (value) => value !== 0 && value !== 0n;
}
