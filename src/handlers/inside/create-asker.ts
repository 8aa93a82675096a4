import type { EnqueuedJob } from "../../model/handler/handler.js";
import type { JobRequest } from "../../model/request/validate.js";
import type { FromRun, ToRun } from "../messages.js";
import { fromSentError } from "../sent-error.js";

interface Asked {
  resolve(jobs: readonly EnqueuedJob[]): void;
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
  async one(request: JobRequest): Promise<EnqueuedJob> {
    const [job] = await this.#ask([request], false);
    return job as EnqueuedJob;
  }

  /** Resolves to what came of each of a batch. */
  batch(requests: readonly JobRequest[]): Promise<readonly EnqueuedJob[]> {
    return this.#ask(requests, true);
  }

  #ask(requests: readonly JobRequest[], isBatch: boolean): Promise<readonly EnqueuedJob[]> {
    const number = this.#count++;
    return new Promise((resolve, reject) => {
      if (this.#isOver) throw new Error("the attempt is over: its handler has ended");
      this.#asked.set(number, { resolve, reject });
      this.#post({ kind: "create", number, requests: requests.map(ownBytes), isBatch });
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
    if ("message" in answer) asked?.reject(fromSentError(answer));
    else asked?.resolve(answer);
  }
}

/** With a copy of exactly its bytes: a message carries the whole of the buffer that they lie in. */
function ownBytes(request: JobRequest): JobRequest {
  const { payload } = request;
  return payload instanceof Uint8Array ? { ...request, payload: new Uint8Array(payload) } : request;
}
