import { type DescField, ScalarType } from "@bufbuild/protobuf";

/** A message by the names of its members. */
export type Fields = Readonly<Record<string, unknown>>;

/** `FeatureSet.FieldPresence.IMPLICIT`: a zero is not told from what was not set. */
const IMPLICIT = 2;

/** Whether a zero of this field is not sent in binary, and is written in JSON all the same. */
export function isImplicit(field: DescField): boolean {
  return field.presence === IMPLICIT && field.oneof === undefined;
}

/** Reads a field; undefined when it is not set, or another one of its group is. */
export function memberOf(field: DescField): (message: Fields) => unknown {
  const { localName, oneof } = field;
  if (oneof === undefined) return (message) => message[localName];
  const group = oneof.localName;
  return (message) => {
    const member = message[group] as { readonly case: string | undefined; readonly value?: unknown };
    return member.case === localName ? member.value : undefined;
  };
}

/** Whether a value of a field with implicit presence is more than zero. Of doubles, minus zero is. */
export function presenceOf({ scalar }: DescField): (value: unknown) => boolean {
  if (scalar === ScalarType.DOUBLE) return (value) => !Object.is(value, 0);
  if (scalar === ScalarType.BYTES) return (value) => (value as Uint8Array).byteLength > 0;
  return (value) => value !== 0 && value !== "" && value !== false && value !== 0n;
}
