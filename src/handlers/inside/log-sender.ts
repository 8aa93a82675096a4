import { describeError } from "../../model/common/describe-error.js";
import { guarded } from "../../model/common/guarded.js";
import { cutText } from "../../model/common/text.js";
import type { Logger, LogLevel } from "../../model/log/logger.js";
import type { FromRun, ToRun } from "../messages.js";

/** Most characters of lines that are on their way: more are left out until some have been read. */
const MAX_UNREAD = 2 ** 20;

/** Most characters of the fields of a line, and of its message. */
const FIELDS_LENGTH = 64 * 1024;
const MESSAGE_LENGTH = 8192;

/** What a line counts besides its text. */
const LINE_SIZE = 100;

/**
 * Sends the log lines of a run to the server, in order. A handler that logs faster than the server writes loses lines, and the
 * server is told how many: memory is bounded, and nobody waits.
 */
export class LogSender {
  readonly #post: (message: FromRun) => void;
  #unread = 0;
  #dropped = 0;

  constructor(post: (message: FromRun) => void) {
    this.#post = post;
  }

  /** The logger of a handler. Never throws. */
  get logger(): Logger {
    return this.#child({});
  }

  read({ size }: Extract<ToRun, { readonly kind: "read" }>): void {
    this.#unread -= size;
    this.flush();
  }

  /** Tells how many lines were left out since the last time. */
  flush(): void {
    if (this.#dropped === 0) return;
    this.#post({ kind: "dropped", lines: this.#dropped });
    this.#dropped = 0;
  }

  #child(bindings: object): Logger {
    const at = (level: LogLevel) => (fields: object, message: string) => this.#send(level, bindings, fields, message);
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (more) => this.#child({ ...bindings, ...more }),
    };
  }

  #send(level: LogLevel, bindings: object, given: object, text: string): void {
    if (this.#unread > MAX_UNREAD) {
      this.#dropped++;
      return;
    }
    // As pino takes them: text alone too.
    const [more, message] = typeof given === "string" ? [{}, given] : [given, text];
    const fields = cutFields(guarded(() => toJson({ ...bindings, ...more }), "{}"));
    const line = cutText(
      guarded(() => String(message ?? ""), ""),
      MESSAGE_LENGTH,
    );
    const size = fields.length + line.length + LINE_SIZE;
    this.#unread += size;
    this.#post({ kind: "log", level, fields, message: line, size });
  }
}

/** JSON of the fields of a line; a field that has none is told as text. */
function toJson(fields: Record<string, unknown>): string {
  const described = "err" in fields ? { ...fields, err: describeError(fields.err) } : fields;
  const whole = guarded(() => JSON.stringify(described), undefined);
  if (whole !== undefined) return whole;
  const written: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(described)) {
    const text = guarded(() => JSON.stringify(value), undefined);
    written[name] = text === undefined ? guarded(() => String(value), "") : JSON.parse(text);
  }
  return JSON.stringify(written);
}

function cutFields(json: string): string {
  return json.length <= FIELDS_LENGTH ? json : JSON.stringify({ tooLarge: cutText(json, 1024) });
}
