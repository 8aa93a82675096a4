import { guarded } from "../common/guarded.js";
import type { Payload } from "../job/job.js";
import { DEFAULT_QUEUE } from "../queue/queue.js";
import type { JobRequest } from "../request/validate.js";

/** How request ids of jobs begin that handlers create. */
const PREFIX = "job:";

/** Characters of the digest: 132 bits, so that no two creates of one job are ever taken for the same. */
const DIGEST_LENGTH = 22;

/**
 * Makes the request ids of the jobs that one run of a handler creates. They tell the job that runs, what is created, and the how many-th
 * create of the same in this run it is: each run of the job makes the same ids, in whatever order, wherever it runs.
 */
export class EnqueueIds {
  readonly #jobId: string;
  readonly #counts = new Map<string, number>();
  /** Resolves when the creates before are counted. */
  #counted: Promise<unknown> = Promise.resolve();

  /** `jobId`: the job that runs. */
  constructor(jobId: string) {
    this.#jobId = jobId;
  }

  /** The id of the next create of this. */
  async next(request: JobRequest): Promise<string> {
    // Digests may be there in another order than the creates came.
    const counted = Promise.all([digestOf(this.#jobId, request), this.#counted]);
    this.#counted = counted.catch(() => {});
    const [digest] = await counted;
    const count = this.#counts.get(digest) ?? 0;
    this.#counts.set(digest, count + 1);
    return `${PREFIX}${digest}.${count.toString(36)}`;
  }
}

async function digestOf(jobId: string, request: JobRequest): Promise<string> {
  const { type, queue, payload, priority, delayMs, runAfter, maxRetries, backoff, timeoutMs } = request;
  const { ttlMs, expiresAt, key, unique, metadata } = request;
  const where = [jobId, queue || DEFAULT_QUEUE, type];
  const rest = [priority, delayMs, runAfter, maxRetries, backoff, timeoutMs, ttlMs, expiresAt, key, unique, metadata];
  // What has no JSON is refused by the create.
  const bytes = bytesOf(
    guarded(() => JSON.stringify([where, rest, typeof payload]), ""),
    payload,
  );
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
  const text = btoa(String.fromCharCode(...digest));
  return text.slice(0, DIGEST_LENGTH).replaceAll("+", "-").replaceAll("/", "_");
}

function bytesOf(head: string, payload: Payload | undefined): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  if (payload === undefined || typeof payload === "string") return encoder.encode(head + (payload ?? ""));
  const start = encoder.encode(head);
  const whole = new Uint8Array(start.length + payload.length);
  whole.set(start);
  whole.set(payload, start.length);
  return whole;
}
