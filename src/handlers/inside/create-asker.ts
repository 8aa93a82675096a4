import type { EnqueuedJob } from "../../model/handler/handler.js";
import type { JobRequest } from "../../model/request/validate.js";
import type { FromRun, ToRun } from "../messages.js";
import { fromSentError } from "../sent-error.js";

interface Asked {
  resolve(job: EnqueuedJob): void;
  reject(error: unknown): void;
}

/** Has the server create the jobs of a run, and hands each answer to whoever asked. */
export class CreateAsker {
  readonly #post: (message: FromRun) => void;
  readonly #asked = new Map<number, Asked>();
  #count = 0;
  #isOver = false;

  constructor(post: (message: FromRun) => void) {
    this.#post = post;
  }

  /** Resolves to what came of it. */
  ask(request: JobRequest): Promise<EnqueuedJob> {
    const number = this.#count++;
    const { payload } = request;
    // A copy of exactly these bytes: a message carries the whole of the buffer that they lie in.
    const own = payload instanceof Uint8Array ? new Uint8Array(payload) : payload;
    return new Promise((resolve, reject) => {
      if (this.#isOver) throw new Error("the attempt is over: its handler has ended");
      this.#asked.set(number, { resolve, reject });
      this.#post({ kind: "create", number, request: { ...request, payload: own } });
    });
  }

  /** The run is over: what was asked is created, but nobody is there to be told any more. */
  close(): void {
    this.#isOver = true;
    this.#asked.clear();
  }

  answer({ number, answer }: Extract<ToRun, { readonly kind: "created" }>): void {
    const asked = this.#asked.get(number);
    this.#asked.delete(number);
    if ("id" in answer) asked?.resolve(answer);
    else asked?.reject(fromSentError(answer));
  }
}
