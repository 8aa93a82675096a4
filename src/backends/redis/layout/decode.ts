import { type Field, placesOf, widthOf } from "./describe.js";
import { CODES, MESSAGE, OBJECTS, RECORDS, type RecordName } from "./table.js";

// Reads any record for people and tests, slowly and with all its fields; codec.ts reads jobs for the server.

/** Writes the fields of fixed width of a record. */
export function encodeFields(name: RecordName, values: Readonly<Record<string, string | number>>): string {
  const fields: readonly Field[] = RECORDS[name].fields;
  return fields
    .map(({ name, width, form }) => (values[name] ?? 0).toString(form === "hex" ? 16 : 10).padStart(width, "0"))
    .join("");
}

/** A record by the names of its fields and of what follows them. */
export type Decoded = Readonly<Record<string, unknown>>;

/** The names of what keys hold. */
export type HeldName = Exclude<RecordName, "head"> | keyof typeof OBJECTS | "message";

/** Decodes a record. */
export function decode(name: HeldName, raw: Buffer): Decoded {
  if (name === "message") return decodeMessage(raw.toString());
  if (name in OBJECTS) return JSON.parse(raw.toString()) as Decoded;
  return REST[name as keyof typeof REST](raw);
}

/** The fields of fixed width, and the bytes after them. */
function split(name: RecordName, raw: Buffer): { readonly fields: Decoded; readonly rest: Buffer } {
  const all: readonly Field[] = RECORDS[name].fields;
  const places = placesOf(all);
  const fields = all.map((field) => {
    const { from, to } = places[field.name] ?? { from: 0, to: 0 };
    return [field.name, fieldValue(field, raw.toString("latin1", from, to))];
  });
  return { fields: Object.fromEntries(fields), rest: raw.subarray(widthOf(all)) };
}

function fieldValue({ form }: Field, text: string): string | number {
  return form === "letter" ? text : Number.parseInt(text, form === "hex" ? 16 : 10);
}

const REST: Readonly<Record<Exclude<RecordName, "head">, (raw: Buffer) => Decoded>> = {
  spec(raw) {
    const { fields, rest } = split("spec", raw);
    const length = Number(fields.type_length);
    const newline = rest.indexOf("\n", length);
    const extras = rest.toString("utf8", length, newline);
    const payload = payloadOf(fields.payload_kind === CODES.payload_kind.bytes, rest.subarray(newline + 1));
    const type = rest.toString("utf8", 0, length);
    return { ...fields, type, extras: extras === "" ? {} : JSON.parse(extras), payload };
  },
  state(raw) {
    const { fields, rest } = split("state", raw);
    const [tokens = "", ...tail] = rest.toString().split("\n");
    const [token, settled_token] = tokens.split("|");
    return { ...fields, token, settled_token, tail: JSON.parse(tail.join("\n")) };
  },
  result(raw) {
    const { fields, rest } = split("result", raw);
    return { ...fields, result: payloadOf(fields.result_kind === CODES.result_kind.bytes, rest) };
  },
  place(raw) {
    const { fields, rest } = split("place", raw);
    return { ...fields, id: rest.toString() };
  },
  member: (raw) => withType("member", raw),
  standing: (raw) => withType("standing", raw),
  finished(raw) {
    const { fields, rest } = split("finished", raw);
    return { ...fields, ...REST.standing(rest) };
  },
  claim(raw) {
    const { fields, rest } = split("claim", raw);
    return { ...fields, key: rest.toString() };
  },
  created(raw) {
    const { fields, rest } = split("created", raw);
    const [id = "", digest = ""] = rest.toString().split(" ");
    return { ...fields, id, digest };
  },
  turn_entry(raw) {
    const { fields, rest } = split("turn_entry", raw);
    return { ...fields, key: rest.toString() };
  },
  scheduled_member: (raw) => withPlace("scheduled_member", raw),
  delayed_member: (raw) => withPlace("delayed_member", raw),
  change: (raw) => withTail("change", raw),
  creation: (raw) => withTail("creation", raw),
};

function withType(name: RecordName, raw: Buffer): Decoded {
  const { fields, rest } = split(name, raw);
  const colon = rest.indexOf(":");
  return { ...fields, id: rest.toString("utf8", 0, colon), type: rest.toString("utf8", colon + 1) };
}

function withPlace(name: RecordName, raw: Buffer): Decoded {
  const { fields, rest } = split(name, raw);
  const colon = rest.indexOf(":");
  return { ...fields, ...REST.place(rest.subarray(0, colon)), type: rest.toString("utf8", colon + 1) };
}

function withTail(name: RecordName, raw: Buffer): Decoded {
  const { fields, rest } = split(name, raw);
  const blank = rest.indexOf(" ");
  return { ...fields, id: rest.toString("utf8", 0, blank), tail: JSON.parse(rest.toString("utf8", blank + 1)) };
}

function payloadOf(isBytes: boolean, bytes: Buffer): string {
  return isBytes ? `base64 ${bytes.toString("base64")}` : bytes.toString();
}

function decodeMessage(message: string): Decoded {
  const [first = "", ...lines] = message.split("\n");
  const words = first.split(" ");
  const records = lines.slice(0, -1).map((line) => {
    const name = line.startsWith(String(CODES.kind.created)) ? "creation" : "change";
    return REST[name](Buffer.from(line));
  });
  return { ...Object.fromEntries(MESSAGE.map(({ name }, at) => [name, words[at]])), records };
}
