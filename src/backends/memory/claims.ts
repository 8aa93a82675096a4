import type { Clock } from "../../core/clock.js";
import type { FinishedJobs } from "./finished-jobs.js";
import { UniqueKeys } from "./indexes/unique-keys.js";
import type { QueuedJob, QueueState } from "./queue-state.js";
import { RareJobRecord } from "./records/job-record.js";

/** Which jobs hold their unique keys: the steps of taking and letting go, each a part of a step of the job's life. */
export class Claims {
  readonly #clock: Clock;
  readonly #finished: FinishedJobs;

  constructor(clock: Clock, finished: FinishedJobs) {
    this.#clock = clock;
    this.#finished = finished;
  }

  /** The job that holds a key. A hold that is over ends here, whether or not a tick has come. */
  holder(queue: QueueState, key: string): QueuedJob | undefined {
    const claim = queue.uniqueKeys?.get(key);
    if (claim === undefined) return undefined;
    if (!claim.isRest || claim.until > this.#clock.monotonic()) return claim.record;
    this.#endHold(claim.record);
    return undefined;
  }

  /** A new job takes its key, which must be free. */
  take(record: QueuedJob): void {
    const { unique } = record;
    if (unique !== undefined) this.#add(record, unique.holdMs > 0 ? this.#clock.monotonic() + unique.holdMs : 0);
  }

  /**
   * A job is as if it had not begun: it takes its key again. Returns the job that holds it meanwhile, if one does, and changes
   * nothing then.
   */
  takeAgain(record: QueuedJob): QueuedJob | undefined {
    const { unique, claim } = record;
    if (unique === undefined) return undefined;
    const holder = this.holder(record.queue, unique.key);
    if (holder !== undefined && holder !== record) return holder;
    if (claim?.live) claim.isRest = false;
    else this.#add(record, claim?.until ?? 0);
    return undefined;
  }

  /** A job was leased. */
  begun(record: QueuedJob): void {
    if (record.unique?.until === "STARTED") this.#keepRest(record);
  }

  /** A job is about to be DONE. */
  done(record: QueuedJob): void {
    this.#keepRest(record);
  }

  /** A job lets go of its key, whatever its hold says. Returns whether it held it. */
  letGo(record: QueuedJob): boolean {
    const { claim, queue } = record;
    if (!claim?.live) return false;
    claim.live = false;
    queue.uniqueKeys?.delete(claim);
    return true;
  }

  /** Another record stands for a waiting job from now on. */
  move({ claim }: QueuedJob, next: QueuedJob): void {
    if (claim === undefined || !(next instanceof RareJobRecord)) return;
    claim.record = next;
    next.claim = claim;
  }

  /** Puts back what a job has of its key, as a journal kept it. */
  restore(record: QueuedJob, state: ClaimState, until: number): void {
    this.#add(record, until);
    if (state === "REST" && record.claim !== undefined) record.claim.isRest = true;
    if (state === "NONE") this.letGo(record);
  }

  /** Ends up to `max` holds of DONE jobs of a queue that are over; returns how many. */
  endHolds(queue: QueueState, max: number): number {
    const monotonic = this.#clock.monotonic();
    let count = 0;
    for (; count < max; count++) {
      const claim = queue.uniqueKeys?.kept.peek();
      if (claim === undefined || claim.until > monotonic) break;
      this.#endHold(claim.record);
    }
    return count;
  }

  #add(record: QueuedJob, until: number): void {
    const { queue, unique } = record;
    if (unique === undefined || !(record instanceof RareJobRecord)) return;
    const claim = { record, key: unique.key, until, isRest: false, live: true };
    record.claim = claim;
    queue.uniqueKeys ??= new UniqueKeys();
    queue.uniqueKeys.add(claim);
  }

  /** Only its hold is a reason for a job to hold its key from now on. */
  #keepRest(record: QueuedJob): void {
    const { claim } = record;
    if (!claim?.live) return;
    if (claim.until > this.#clock.monotonic()) claim.isRest = true;
    else this.letGo(record);
  }

  #endHold(record: QueuedJob): void {
    this.letGo(record);
    if (record.status === "DONE") this.#finished.release(record, this.#clock.monotonic());
  }
}

/** What a job has of its unique key: it holds it for its own reason, for what is left of its hold, or not at all. */
export type ClaimState = "HELD" | "REST" | "NONE";

/** What a job has of its unique key now; undefined when it was created without one. */
export function claimState({ unique, claim }: QueuedJob): ClaimState | undefined {
  if (unique === undefined) return undefined;
  if (!claim?.live) return "NONE";
  return claim.isRest ? "REST" : "HELD";
}
