import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { DurationSchema, FieldMaskSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.js";
import { type BadField, DecodeError, type DecodeLimits, pathWithin, tooManyEntries } from "../decode-error.js";
import { ERROR_DETAILS } from "../error-details.js";
import { setOwn } from "../fields.js";
import { freshOf } from "../fresh.js";
import { BadValue, JsonText } from "./json-text.js";
import { parseDuration, parseTimestamp } from "./parse-times.js";
import { valueProblem } from "./value-problem.js";

/** Bad fields that are named; the rest are counted. */
const MAX_NAMED = 30;

const MAX_INT32 = 2 ** 31 - 1;
const MAX_UINT32 = 2 ** 32 - 1;
const MAX_INT64 = 2n ** 63n - 1n;

type Target = Record<string, unknown>;

/** Reads a value that stands at a path; undefined when it is bad, which is reported. */
type Read = (json: unknown, path: string, report: Report) => unknown;

/** Collects what is wrong with a message. */
class Report {
  readonly fields: BadField[] = [];
  more = 0;
  /** How many of them the message itself tells, by a `BadValue`. */
  told = 0;
  /** How many more JSON values the message may have. */
  valuesLeft: number;

  constructor(readonly limits: DecodeLimits) {
    this.valuesLeft = limits.messageValues;
  }

  add(field: string, description: string): undefined {
    if (this.fields.length < MAX_NAMED) this.fields.push({ field: field === "" ? "request" : field, description });
    else this.more++;
    return undefined;
  }
}

/**
 * Makes a message of a JSON value that was parsed already, by all rules of protobuf's JSON. Throws a DecodeError that names
 * every bad field; when that are only payloads, they become `BadValue`s instead. Takes longer than the ordinary decoder (json-decoder.ts), which leaves what is unusual or wrong to this one.
 */
export function decodeStrictly(desc: DescMessage, json: unknown, limits: DecodeLimits): Message {
  const report = new Report(limits);
  const message = readerOf(desc)(json, "", report) as Message | undefined;
  if (report.fields.length + report.more > report.told || message === undefined)
    throw new DecodeError(report.fields, report.more);
  return message;
}

const known = new Map<DescMessage, Read>();

function readerOf(desc: DescMessage): Read {
  let reader = known.get(desc);
  if (reader === undefined) {
    reader = SPECIAL.get(desc.typeName) ?? messageReader(desc);
    known.set(desc, reader);
  }
  return reader;
}

const SPECIAL: ReadonlyMap<string, Read> = new Map<string, Read>([
  [ValueSchema.typeName, readValue],
  [
    DurationSchema.typeName,
    (json, path, report) => {
      const parsed = typeof json === "string" ? parseDuration(json) : undefined;
      if (parsed === undefined) return report.add(path, 'must be a duration in seconds, like "3600s" or "0.5s"');
      return { $typeName: DurationSchema.typeName, ...parsed };
    },
  ],
  [
    TimestampSchema.typeName,
    (json, path, report) => {
      const parsed = typeof json === "string" ? parseTimestamp(json) : undefined;
      if (parsed === undefined) return report.add(path, 'must be a time, like "2027-01-31T12:00:00Z"');
      return { $typeName: TimestampSchema.typeName, ...parsed };
    },
  ],
  [
    StatusSchema.typeName,
    (json, path, report) => {
      try {
        return fromJson(StatusSchema, json as JsonValue, { registry: ERROR_DETAILS });
      } catch {
        return report.add(path, "must be a google.rpc.Status");
      }
    },
  ],
  [
    FieldMaskSchema.typeName,
    (json, path, report) => {
      try {
        return fromJson(FieldMaskSchema, json as JsonValue);
      } catch {
        return report.add(path, 'must be names of fields parted by commas, like "settings.weight,settings.maxDepth"');
      }
    },
  ],
]);

function messageReader(desc: DescMessage): Read {
  const fresh = freshOf(desc);
  let fields: ReadonlyMap<string, { readonly field: DescField; readonly read: Read }> | undefined;
  return (json, path, report) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      return report.add(path, "must be a JSON object");
    }
    // Made at the first message: fields may be of the same type.
    fields ??= new Map(
      desc.fields.flatMap((field) => {
        const entry = { field, read: fieldReader(field) };
        return [
          [field.jsonName, entry],
          [field.name, entry],
        ] as const;
      }),
    );
    const message = fresh() as unknown as Target;
    const given = new Set<DescField>();
    for (const [name, value] of Object.entries(json)) {
      const entry = fields.get(name);
      if (entry === undefined) {
        report.add(pathWithin(path, name), `is not a field of ${desc.name}`);
        continue;
      }
      const { field, read } = entry;
      const at = pathWithin(path, field.jsonName);
      if (given.has(field)) report.add(at, "is set twice");
      given.add(field);
      // Of all but a JSON value, null says that the field is not set.
      if (value === null && !(field.fieldKind === "message" && field.message.typeName === ValueSchema.typeName))
        continue;
      const result = read(value, at, report);
      if (result !== undefined) assign(message, field, result, at, report);
    }
    return message;
  };
}

function assign(message: Target, field: DescField, value: unknown, path: string, report: Report): void {
  const { localName, oneof } = field;
  if (oneof === undefined) {
    message[localName] = value;
    return;
  }
  const group = message[oneof.localName] as { readonly case: string | undefined };
  if (group.case === undefined) message[oneof.localName] = { case: localName, value };
  else {
    const other = oneof.fields.find((each) => each.localName === group.case)?.jsonName;
    report.add(path, `must not be set together with ${other}`);
  }
}

function fieldReader(field: DescField): Read {
  const read = singleReader(field);
  if (field.fieldKind === "list") {
    return (json, path, report) => {
      if (!Array.isArray(json)) return report.add(path, "must be a list");
      if (json.length > report.limits.entries) {
        return report.add(path, `${tooManyEntries(report.limits)}, has ${json.length}`);
      }
      return json.map((item, index) => read(item, `${path}[${index}]`, report));
    };
  }
  if (field.fieldKind === "map") {
    return (json, path, report) => {
      if (typeof json !== "object" || json === null || Array.isArray(json)) {
        return report.add(path, "must be a JSON object");
      }
      const entries = Object.entries(json);
      if (entries.length > report.limits.entries) {
        return report.add(path, `${tooManyEntries(report.limits)}, has ${entries.length}`);
      }
      const map: Target = {};
      for (const [key, value] of entries) setOwn(map, key, read(value, `${path}["${key}"]`, report));
      return map;
    };
  }
  return read;
}

function singleReader({ message, enum: ofEnum, scalar }: DescField): Read {
  if (message !== undefined) return (json, path, report) => readerOf(message)(json, path, report);
  if (ofEnum !== undefined) return enumReader(ofEnum);
  return SCALARS.get(scalar as ScalarType) ?? ((_json, path, report) => report.add(path, "cannot be read"));
}

const SCALARS: ReadonlyMap<ScalarType, Read> = new Map<ScalarType, Read>([
  [
    ScalarType.STRING,
    (json, path, report) => {
      if (typeof json !== "string") return report.add(path, "must be text");
      return json.isWellFormed() ? json : report.add(path, "is not well-formed Unicode");
    },
  ],
  [
    ScalarType.BOOL,
    (json, path, report) => (typeof json === "boolean" ? json : report.add(path, "must be true or false")),
  ],
  [ScalarType.INT32, wholeReader(-MAX_INT32 - 1, MAX_INT32)],
  [ScalarType.UINT32, wholeReader(0, MAX_UINT32)],
  [ScalarType.INT64, bigReader(-MAX_INT64 - 1n, MAX_INT64)],
  [ScalarType.UINT64, bigReader(0n, 2n ** 64n - 1n)],
  [ScalarType.DOUBLE, readDouble],
  [ScalarType.BYTES, readBytes],
]);

/** A number, or the text of one. */
function numberOf(json: unknown): number | undefined {
  if (typeof json === "number") return json;
  return typeof json === "string" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(json) ? Number(json) : undefined;
}

function wholeReader(min: number, max: number): Read {
  return (json, path, report) => {
    const value = numberOf(json);
    if (value !== undefined && Number.isInteger(value) && value >= min && value <= max) return value === 0 ? 0 : value;
    return report.add(path, `must be a whole number from ${min} to ${max}`);
  };
}

function bigReader(min: bigint, max: bigint): Read {
  return (json, path, report) => {
    const isWhole = typeof json === "number" ? Number.isSafeInteger(json) : /^-?\d{1,20}$/.test(String(json));
    const value = isWhole ? BigInt(json as string | number) : undefined;
    if (value !== undefined && value >= min && value <= max) return value;
    return report.add(path, `must be a whole number from ${min} to ${max}; write a large one as text`);
  };
}

function readDouble(json: unknown, path: string, report: Report): unknown {
  if (json === "NaN") return Number.NaN;
  if (json === "Infinity") return Number.POSITIVE_INFINITY;
  if (json === "-Infinity") return Number.NEGATIVE_INFINITY;
  const value = numberOf(json);
  return value !== undefined && Number.isFinite(value) ? value : report.add(path, "must be a number");
}

function readBytes(json: unknown, path: string, report: Report): unknown {
  if (typeof json === "string") {
    try {
      return base64Decode(json);
    } catch {
      // Reported below.
    }
  }
  return report.add(path, "must be base64");
}

function enumReader({ values, name }: DescEnum): Read {
  const numbers = new Map(values.map((value) => [value.name, value.number]));
  const names = values.filter(({ number }) => number !== 0).map((value) => value.name);
  return (json, path, report) => {
    if (typeof json === "string") {
      return numbers.get(json) ?? report.add(path, `must be a ${name}: one of ${names.join(", ")}`);
    }
    if (Number.isInteger(json) && Math.abs(json as number) <= MAX_INT32) return json;
    return report.add(path, `must be a ${name}: one of ${names.join(", ")}`);
  };
}

function readValue(json: unknown, path: string, report: Report): unknown {
  const problem = valueProblem(json, report.limits, report);
  if (problem === undefined) return new JsonText(JSON.stringify(json));
  report.add(path, problem);
  report.told++;
  return new BadValue(problem);
}
