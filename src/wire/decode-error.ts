/** One bad field of a message. */
export interface BadField {
  /** Path of the field as JSON has it, as in `requests[3].maxRetries`. */
  readonly field: string;
  /** What is wrong with it and what would be right. */
  readonly description: string;
}

/** Thrown for bytes that are no message of the expected type, or exceed a limit. */
export class DecodeError extends Error {
  /** The bad fields, at least one. */
  readonly fields: readonly BadField[];
  /** How many more there are. */
  readonly more: number;

  constructor(fields: readonly BadField[], more = 0) {
    super(fields.map(({ field, description }) => `${field}: ${description}`).join("; "));
    this.fields = fields;
    this.more = more;
  }
}

/** Bad bytes, before it is known which field they are in. */
export class MalformedError extends Error {}

/** The path of a field within a message at a path; "" is the request itself. */
export function pathWithin(path: string, name: string): string {
  if (path === "") return name;
  return name.startsWith("[") ? path + name : `${path}.${name}`;
}

/** What a message may have; what is over a limit is refused while it is read. */
export interface DecodeLimits {
  /** Nesting of arrays and objects in one google.protobuf.Value. */
  readonly depth: number;
  /** Values in one google.protobuf.Value: each array, object, text, number, true, false and null counts. */
  readonly values: number;
  /** Values in all google.protobuf.Values of a message. */
  readonly messageValues: number;
  /** Entries of all maps of a message together. */
  readonly mapEntries: number;
  /** Entries of a list or map. */
  readonly entries: number;
}

/** What a value that is nested too deep is refused with. */
export function tooDeep(limits: DecodeLimits): string {
  return `must not be nested more than ${limits.depth} deep`;
}

/** What a value of too many parts is refused with. */
export function tooManyValues(limits: DecodeLimits): string {
  return `must have at most ${limits.values} values`;
}

/** What a message with too many values is refused with. */
export function tooManyInMessage(limits: DecodeLimits): string {
  return `must have at most ${limits.messageValues} JSON values in all`;
}

/** What a list or map that is too long is refused with. */
export function tooManyEntries(limits: DecodeLimits): string {
  return `must have at most ${limits.entries} entries`;
}
