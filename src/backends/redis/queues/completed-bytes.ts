/** What the finished jobs of a queue take. */
export interface CompletedFigure {
  /** In bytes by `jobBytes`, or nearly so. */
  readonly bytes: number;
  /** When the first of them finished, in the steady time of the queue; undefined when there is none, or it is not known. */
  readonly oldest: number | undefined;
}

/** Deletes finished jobs of a queue, the oldest first, until they take no more than this; or some of them. Resolves to what is left. */
export type Trim = (queue: string, keepBytes: number) => Promise<CompletedFigure>;

/** Once there are too many, so much of the limit is made free, and in such parts: queue after queue loses its oldest. */
const FREE_PART = 16;
const STEP_PART = 64;

/**
 * Keeps the finished jobs of all queues within a number of bytes. The scripts count those of each queue, and keep it within
 * the limit by itself; every server hears each count on the channel, and so knows the sum. The server whose call raised it over
 * the limit trims, with its next tick, the queues whose finished jobs are the oldest. When several do so at once, they leave each
 * queue the same.
 */
export class CompletedBytes {
  readonly #limit: number;
  readonly #trim: Trim;
  readonly #over: () => void;
  readonly #queues = new Map<string, CompletedFigure>();
  #total = 0;

  /** `over` is called when a call of this server has raised the sum over the limit: `keepLimit` is to be called then. */
  constructor(limit: number, trim: Trim, over: () => void) {
    this.#limit = limit;
    this.#trim = trim;
    this.#over = over;
  }

  /** Of all queues, as far as this server knows. */
  get total(): number {
    return this.#total;
  }

  /** A queue has this now. `isOurs`: by a call of this server. */
  note(queue: string, { bytes, oldest }: CompletedFigure, isOurs: boolean): void {
    const before = this.#queues.get(queue);
    this.#total += bytes - (before?.bytes ?? 0);
    if (bytes === 0) this.#queues.delete(queue);
    else this.#queues.set(queue, { bytes, oldest: oldest ?? before?.oldest });
    if (isOurs && this.#total > this.#limit) this.#over();
  }

  /** A queue is gone. */
  forget(queue: string): void {
    this.note(queue, { bytes: 0, oldest: undefined }, false);
  }

  /** Deletes the oldest finished jobs of all queues until they take so many bytes less, or none is left. */
  async free(bytes: number): Promise<void> {
    await this.#trimTo(Math.max(0, this.#total - bytes));
  }

  /** When there are more bytes than the limit, deletes the oldest finished jobs of all queues, and some more. */
  async keepLimit(): Promise<void> {
    if (this.#total > this.#limit) await this.#trimTo(this.#limit - this.#limit / FREE_PART);
  }

  async #trimTo(target: number): Promise<void> {
    while (this.#total > target) {
      const [queue, figure] = this.#oldest();
      const step = Math.max(1, Math.ceil(this.#limit / STEP_PART));
      let left: CompletedFigure;
      try {
        left = await this.#trim(queue, Math.max(0, figure.bytes - Math.min(this.#total - target, step)));
      } catch {
        // A node that is away, or a queue that this server is too old for: it does not count until it is heard of again.
        this.forget(queue);
        continue;
      }
      this.note(queue, left, false);
      // Jobs finish faster than they are deleted: those who finish them go on.
      if (left.bytes >= figure.bytes) return;
    }
  }

  /** The queue whose first finished job is the oldest; there is one while the total is not 0. */
  #oldest(): [string, CompletedFigure] {
    let found: [string, CompletedFigure] | undefined;
    for (const entry of this.#queues) {
      if (found === undefined || (entry[1].oldest ?? 0) < (found[1].oldest ?? 0)) found = entry;
    }
    if (found === undefined) throw new Error("no queue has finished jobs, though their sum is not 0");
    return found;
  }
}
