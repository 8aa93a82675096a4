import type { Writable } from "node:stream";

/** Bytes that may wait for a reader. Lines beyond that are left out: the server does not wait for whoever reads its log. */
const MAX_WAITING_BYTES = 2 ** 20;

/** Most characters of a line: log collectors cut or split longer ones. */
const MAX_LINE = 32_768;

/** Settings of an output. */
export interface LineOutputOptions {
  /** What is written for a line of JSON. */
  readonly format: (line: string) => string;
  /** Called when there is room again, with how many lines were left out. */
  readonly leftOut: (count: number) => void;
}

/**
 * Where the lines of the log go: a stream that may be slow, full or closed at its other end. A write never waits and never
 * throws. Each line is handed to the system at once, so that a crash loses none but those that wait.
 */
export class LineOutput {
  readonly #stream: Writable;
  readonly #options: LineOutputOptions;
  #leftOut = 0;
  /** Whether nobody reads any more. The server goes on without a log. */
  #isClosed = false;

  constructor(stream: Writable, options: LineOutputOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // A disk that is full now may have room later; a pipe without a reader stays so.
      if (error.code === "EPIPE" || stream.destroyed) this.#isClosed = true;
    });
  }

  /** Writes a line of JSON that ends with a line break. */
  write(line: string): void {
    if (this.#isClosed) return;
    if (this.#stream.writableLength > MAX_WAITING_BYTES) {
      this.#leftOut++;
      return;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    // It comes back here with a line of its own.
    if (leftOut > 0) this.#options.leftOut(leftOut);
    this.print(this.#options.format(line.length > MAX_LINE ? shorten(line) : line));
  }

  /** Writes a text as it is. */
  print(text: string): void {
    if (!this.#isClosed) this.#stream.write(text);
  }

  /** Resolves when the system has all that was written, when nobody reads any more, and after `timeoutMs` at the latest. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#isClosed || this.#stream.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#stream.write("", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Most characters of a value of a line that is too long, and of the message and what is known of an error. */
const MAX_VALUE = 512;
const MAX_TEXT = 4096;

/** Most fields of a line that is too long. */
const MAX_FIELDS = 32;

/** Cuts what is long in a line that is too long. It stays JSON, with its short fields as they were. */
function shorten(line: string): string {
  const { msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const isError = typeof err === "object" && err !== null;
  const short = {
    ...shortFields(fields, MAX_VALUE),
    ...(err !== undefined && { err: isError ? shortFields(err, MAX_TEXT) : shortValue(err, MAX_TEXT) }),
    msg: shortValue(msg, MAX_TEXT),
  };
  return `${JSON.stringify(short)}\n`;
}

function shortFields(fields: object, length: number): object {
  const entries = Object.entries(fields).slice(0, MAX_FIELDS);
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(0, 128), shortValue(value, length)]));
}

function shortValue(value: unknown, length: number): unknown {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  if (text.length <= length) return value;
  return `${text.slice(0, length).toWellFormed()}... (${text.length} characters)`;
}
