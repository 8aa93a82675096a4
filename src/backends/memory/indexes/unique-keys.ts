import { OrderedQueue } from "./ordered-queue.js";

/** That a job holds its unique key. Live until it lets go of it; a job that takes its key again has another. */
export interface Claim<R> {
  /** Another one when another record stands for the job. */
  record: R;
  readonly key: string;
  /** The end of its hold, ms on the monotonic clock. */
  readonly until: number;
  /** Whether its hold is the only reason that is left: the job has ended or begun, as its uniqueness says. */
  isRest: boolean;
  live: boolean;
}

/** The claims of DONE jobs that are kept by their holds, in the order in which these end. */
export class HeldOrder<R> extends OrderedQueue<Claim<R>> {
  constructor() {
    super(
      (a, b) => a.until - b.until,
      ({ live }) => live,
    );
  }
}

/** The unique keys of a queue that are held. */
export class UniqueKeys<R> {
  /** DONE jobs that their holds keep. */
  readonly kept = new HeldOrder<R>();
  readonly #claims = new Map<string, Claim<R>>();

  get(key: string): Claim<R> | undefined {
    return this.#claims.get(key);
  }

  add(claim: Claim<R>): void {
    this.#claims.set(claim.key, claim);
  }

  delete({ key }: Claim<R>): void {
    this.#claims.delete(key);
  }
}
