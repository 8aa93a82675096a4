import { type Payload, textOf } from "../model/job/job.js";
import type { JobOfType } from "./job.js";

/** A job that is being made. */
type JobInTheMaking = {
  -readonly [Field in keyof JobOfType<string, unknown, unknown>]: JobOfType<string, unknown, unknown>[Field];
};

/**
 * A job that was read, which whoever read it fills with all but its payload and result: these are kept as they came, and parsed when
 * somebody looks at them. Both are properties of the object itself, so that a copy of it (`{ ...job }`, `JSON.stringify(job)`) has them
 * too. What a reader makes of them is his: of bytes he gets a copy.
 */
class Content {
  readonly #payload: Payload | undefined;
  readonly #result: Payload | undefined;
  /** What was made of them; undefined: nothing yet. */
  #payloadValue: unknown;
  #resultValue: unknown;

  constructor(payload: Payload | undefined, result: Payload | undefined) {
    this.#payload = payload;
    this.#result = result;
    // The same descriptors for all jobs: so they share one hidden class, and this costs no more than two fields.
    Object.defineProperty(this, "payload", PAYLOAD);
    Object.defineProperty(this, "result", RESULT);
  }

  get payloadText(): string | undefined {
    return textOf(this.#payload);
  }

  get resultText(): string | undefined {
    return textOf(this.#result);
  }

  static payloadOf(content: Content): unknown {
    content.#payloadValue ??= readContent(content.#payload);
    return content.#payloadValue;
  }

  static resultOf(content: Content): unknown {
    content.#resultValue ??= readContent(content.#result);
    return content.#resultValue;
  }
}

const PAYLOAD: PropertyDescriptor & ThisType<Content> = {
  enumerable: true,
  get() {
    return Content.payloadOf(this);
  },
};

const RESULT: PropertyDescriptor & ThisType<Content> = {
  enumerable: true,
  get() {
    return Content.resultOf(this);
  },
};

// For people: Node shows getters as such.
Object.defineProperty(Content.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Content) {
    return { ...this };
  },
});

/** Its payload and result are there already. */
export const JobContent = Content as unknown as new (
  payload: Payload | undefined,
  result: Payload | undefined,
) => Omit<JobInTheMaking, "payload" | "result" | "payloadText" | "resultText"> &
  Pick<JobOfType<string, unknown, unknown>, "payload" | "result" | "payloadText" | "resultText">;

/** What a payload or result says: the value of JSON text, or bytes. */
export function readContent(content: Payload | undefined): unknown {
  if (content === undefined) return undefined;
  return typeof content === "string" ? JSON.parse(content) : new Uint8Array(content);
}
