/** How a field of fixed width is written. */
export type Form = "decimal" | "hex" | "letter";

/** A field of fixed width at the start of a record. */
export interface Field<N extends string = string> {
  readonly name: N;
  /** In characters. */
  readonly width: number;
  readonly form: Form;
  readonly meaning: string;
  /** Whether a larger number is written as the largest that fits. */
  readonly isCapped?: boolean;
}

/** A named field of a hash or of a JSON object; one that is absent is empty. */
export interface NamedField<N extends string = string> {
  readonly name: N;
  readonly meaning: string;
}

/** A text that is stored or sent: first its fields of fixed width, then what `rest` says. */
export interface RecordTable {
  readonly meaning: string;
  readonly fields: readonly Field[];
  /** What follows the fields. */
  readonly rest: string;
}

/** The type of a key, as `TYPE` of Redis names it. */
export type KeyType = "hash" | "list" | "set" | "stream" | "string" | "zset";

/** A key. */
export interface KeyTable {
  readonly type: KeyType;
  /** What follows the name and a colon, when there is a key for each of something. */
  readonly each?: string;
  readonly meaning: string;
  /** The record that its values or, without values, its members are. */
  readonly holds?: string;
  readonly lifetime: string;
}

/** Describes a field of fixed width. */
export function field<const N extends string>(
  name: N,
  width: number,
  meaning: string,
  form: Form = "decimal",
): Field<N> {
  return { name, width, form, meaning };
}

/** Describes a named field. */
export function named<const N extends string>(name: N, meaning: string): NamedField<N> {
  return { name, meaning };
}

/** Where a field stands: `text.slice(from, to)`. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/** Number of characters of all these fields. */
export function widthOf(fields: readonly Field[]): number {
  return fields.reduce((sum, { width }) => sum + width, 0);
}

/** Where each of these fields stands, by its name. */
export function placesOf<N extends string>(fields: readonly Field<N>[]): Readonly<Record<N, Place>> {
  let from = 0;
  const places = fields.map(({ name, width }) => {
    from += width;
    return [name, { from: from - width, to: from }] as const;
  });
  return Object.fromEntries(places) as Record<N, Place>;
}
