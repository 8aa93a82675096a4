import { type Field, placesOf, widthOf } from "./describe.js";
import {
  CODES,
  type FieldName,
  ID_LETTER,
  MESSAGE,
  META,
  META_READ,
  QUEUE_KEYS,
  type QueueKey,
  RECORDS,
  type RecordName,
} from "./table.js";

// Writes the Lua that knows the layout. Scripts name keys, records and fields; only what is made here has their places.

/** Lua: the key of this name of the queue; to be followed by a type or call where there is one for each. */
export function key(name: QueueKey): string {
  return `base .. '${"each" in QUEUE_KEYS[name] ? `${name}:` : name}'`;
}

/** Lua: a list of the names of these keys. */
export function keyNames(...names: readonly QueueKey[]): string {
  return `{${names.map((name) => `'${name}'`).join(", ")}}`;
}

/** Lua: a field of `meta` that every script reads; nil or false when it is not there. */
export function meta(name: string): string {
  return `meta[${indexOf(META_READ, name) + 1}]`;
}

/** Lua: the name of a field of `meta`. */
export function metaName(name: string): string {
  indexOf(META, name);
  return `'${name}'`;
}

/** Lua: reads what `meta` answers from. */
export const READ_META = `redis.call('HMGET', KEYS[1], ${META_READ.map(({ name }) => `'${name}'`).join(", ")})`;

/** Lua: what stands for this value. */
export function code<F extends keyof typeof CODES>(name: F, value: keyof (typeof CODES)[F]): string {
  return `'${String(CODES[name][value])}'`;
}

/** Lua: locals with the numbers of the statuses. */
export const STATUS_LOCALS = `local ${Object.keys(CODES.status).join(", ")} = ${Object.values(CODES.status).join(", ")}`;

function fieldsOf(record: RecordName): readonly Field[] {
  return RECORDS[record].fields;
}

function indexOf(fields: readonly { readonly name: string }[], name: string): number {
  const at = fields.findIndex((each) => each.name === name);
  if (at < 0) throw new Error(`the layout has no field ${name} here`);
  return at;
}

/** The fields of a record from one on. */
function fieldsFrom(record: RecordName, from: string | undefined): readonly Field[] {
  const fields = fieldsOf(record);
  return from === undefined ? fields : fields.slice(indexOf(fields, from));
}

/** Lua: the text of a field. `raw`: variable with the record. `from`: the field that `raw` begins with. */
export function text<R extends RecordName>(record: R, name: FieldName<R>, raw: string, from?: FieldName<R>): string {
  const fields = fieldsFrom(record, from);
  const place = placesOf(fields)[(fields[indexOf(fields, name)] as Field).name] ?? { from: 0, to: 0 };
  return `sub(${raw}, ${place.from + 1}, ${place.to})`;
}

/** Lua: the number in a field; see `text`. */
export function number<R extends RecordName>(record: R, name: FieldName<R>, raw: string, from?: FieldName<R>): string {
  const { form } = fieldsOf(record)[indexOf(fieldsOf(record), name)] as Field;
  return `tonumber(${text(record, name, raw, from)}${form === "hex" ? ", 16" : ""})`;
}

/** Number of characters of the fields of a record: of all, or those from one on. */
export function width<R extends RecordName>(record: R, from?: FieldName<R>): number {
  return widthOf(fieldsFrom(record, from));
}

/** Position of what follows the fields of a record. */
export function rest<R extends RecordName>(record: R, from?: FieldName<R>): number {
  return width(record, from) + 1;
}

/** Lua: writes a number as this field has it. */
export function write<R extends RecordName>(record: R, name: FieldName<R>, value: string): string {
  return `format('${formOf(fieldsOf(record)[indexOf(fieldsOf(record), name)] as Field)}', ${value})`;
}

/** Lua: writes the numbers of a record from the fields of a table. Counts stay at the largest number that fits. */
export function writeAll(record: RecordName, table: string): string {
  const fields = fieldsOf(record);
  const values = fields.map(({ name, width: digits, isCapped }) => {
    return isCapped ? `math.min(${table}.${name}, ${"9".repeat(digits)})` : `${table}.${name}`;
  });
  return `format('${fields.map(formOf).join("")}', ${values.join(", ")})`;
}

function formOf({ width: digits, form }: Field): string {
  return form === "letter" ? "%s" : `%0${digits}${form === "hex" ? "x" : "d"}`;
}

/** Lua: the entries of a table constructor with the number of each field. */
export function readAll(record: RecordName, raw: string): string {
  const fields = fieldsOf(record);
  return fields.map(({ name }) => `${name} = ${number(record, name as never, raw)}`).join(", ");
}

/** Values of fields: a number, or Lua that has the text as wide as the field. */
type Values<R extends RecordName, V> = Partial<Readonly<Record<FieldName<R>, V>>>;

/** Lua: the entries of a table constructor: these values, and 0 for the other fields. */
export function numbers<R extends RecordName>(record: R, values: Values<R, string | number>): string {
  const given = new Map<string, string | number>(Object.entries(values) as [string, string | number][]);
  for (const name of given.keys()) indexOf(fieldsOf(record), name);
  return fieldsOf(record)
    .map(({ name }) => `${name} = ${given.get(name) ?? 0}`)
    .join(", ");
}

/**
 * Lua: the fields of a record with these values; the others are copied from the record `raw`, or 0 without it. `before`:
 * the first field that is left out.
 */
export function compose<R extends RecordName>(
  record: R,
  values: Values<R, string | number>,
  { raw, before }: { readonly raw?: string; readonly before?: FieldName<R> } = {},
): string {
  const all = fieldsOf(record);
  const fields = before === undefined ? all : all.slice(0, indexOf(all, before));
  const places = placesOf(fields);
  const given = new Map<string, string | number>(Object.entries(values) as [string, string | number][]);
  for (const name of given.keys()) indexOf(fields, name);
  const parts: string[] = [];
  let literal = "";
  let copied: { from: number; to: number } | undefined;
  const flush = () => {
    if (literal !== "") parts.push(`'${literal}'`);
    if (copied !== undefined) parts.push(`sub(${raw}, ${copied.from + 1}, ${copied.to})`);
    literal = "";
    copied = undefined;
  };
  for (const { name, width: digits } of fields) {
    const value = given.get(name) ?? (raw === undefined ? 0 : undefined);
    const place = places[name] ?? { from: 0, to: 0 };
    if (typeof value === "number") {
      if (copied !== undefined) flush();
      literal += String(value).padStart(digits, "0");
    } else if (value === undefined) {
      if (literal !== "") flush();
      copied = { from: copied?.from ?? place.from, to: place.to };
    } else {
      flush();
      parts.push(value);
    }
  }
  flush();
  return parts.join(" .. ");
}

/** Lua: the start of the keys of a queue, from the key that scripts are given. */
export const QUEUE_BASE = `string.sub(KEYS[1], 1, -${"meta".length + 1})`;

/** Lua: the letter of an id with this many digits. */
export function idLetter(length: string): string {
  return `string.char(${ID_LETTER} + ${length})`;
}

/** Lua: the first line of a message. Each word is an expression. */
export function words(values: Readonly<Record<(typeof MESSAGE)[number]["name"], string>>): string {
  return MESSAGE.map(({ name }) => `(${values[name as never]})`).join(" .. ' ' .. ");
}
