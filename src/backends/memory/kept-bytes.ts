import { errorBytes, type Job, jobBytes, type Payload, payloadBytes } from "../../model/job/job.js";

/** What the jobs of a store take, in bytes by `jobBytes`: their texts are on the heap, payloads and results of bytes outside. */
export interface KeptBytes {
  readonly heap: number;
  readonly external: number;
}

type Sized = Parameters<typeof jobBytes>[0];

/** Counts what is kept: an addition when a job is made or grows, a subtraction when it goes. */
export class KeptCount implements KeptBytes {
  heap = 0;
  external = 0;

  add(job: Sized): void {
    const outside = outsideOf(job);
    this.external += outside;
    this.heap += jobBytes(job) - outside;
  }

  /** `bytes`: what it takes by `jobBytes`, where that is known. */
  drop(job: Sized, bytes = jobBytes(job)): void {
    const outside = outsideOf(job);
    this.external -= outside;
    this.heap -= bytes - outside;
  }

  addResult(result: Payload | undefined): void {
    if (typeof result === "object") this.external += result.byteLength;
    else this.heap += payloadBytes(result);
  }

  /** Counts what `change` makes of the errors of a job. */
  changeErrors(job: Pick<Job, "error" | "attemptErrors">, change: () => void): void {
    this.heap -= errorBytes(job);
    change();
    this.heap += errorBytes(job);
  }
}

function outsideOf({ payload, result }: Sized): number {
  return bytesOutside(payload) + bytesOutside(result);
}

function bytesOutside(payload: Payload | undefined): number {
  return typeof payload === "object" ? payload.byteLength : 0;
}
