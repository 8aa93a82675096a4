import { OrderedQueue } from "./ordered-queue.js";
import type { Aged, ReadyLine } from "./ready-line.js";

/** Lines by their oldest job. */
export class LineAges<Queue> {
  readonly #lines = new OrderedQueue<Aged<Queue>>(
    (a, b) => a.since - b.since,
    (aged) => aged.line.aged === aged,
  );

  /** The earliest runAfter of all jobs; infinity when there is none. */
  oldest(): number {
    for (let first = this.#lines.peek(); first !== undefined; first = this.#lines.peek()) {
      const { line, since } = first;
      const oldest = line.oldest();
      if (oldest === since) return since;
      this.#lines.pop();
      line.aged = undefined;
      if (oldest !== Number.POSITIVE_INFINITY) this.#note(line, oldest);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** A job has come to a line. */
  came(line: ReadyLine<Queue>, runAfter: number): void {
    if (line.aged === undefined || runAfter < line.aged.since) this.#note(line, runAfter);
  }

  /**
   * Jobs may have left a line that has others. Where there are few lines it need not be called: `oldest` finds it out, for all lines
   * of which jobs have left since.
   */
  left(line: ReadyLine<Queue>): void {
    const oldest = line.oldest();
    if (oldest !== line.aged?.since) this.#note(line, oldest);
  }

  /** A line is used no more. */
  forget(line: ReadyLine<Queue>): void {
    if (line.aged === undefined) return;
    line.aged = undefined;
    this.#lines.discard();
  }

  #note(line: ReadyLine<Queue>, since: number): void {
    this.forget(line);
    line.aged = { line, since };
    this.#lines.push(line.aged);
  }
}
