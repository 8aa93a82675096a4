import type { StoreObserver } from "../../core/port/store-observer.js";
import type { Batch, Reply, Writer } from "./batch.js";

/** What waits for a commit: the caller of an operation. */
export interface Waiter {
  /** Called once what the operation changed, or saw, is kept. */
  readonly kept: () => void;
  /** Called when a commit failed: whether the operation took effect is unknown. */
  readonly failed: (message: string) => void;
}

/** What goes into one commit, and what waits for it. */
interface Group {
  number: number;
  /** Undefined while it still gathers. */
  batch: Batch | undefined;
  /** Notices for the listener, in order. */
  notices: (() => void)[];
  /** Those that are answered when it is written, and those that are when it is synced. */
  early: Waiter[];
  waiters: Waiter[];
  /** When it was sent, ms on the monotonic clock, and how many waited for it then. */
  sentAt: number;
  callers: number;
}

/** Dependencies of a `CommitLine`. */
export interface CommitLineDeps {
  readonly writer: Writer;
  readonly observer: StoreObserver;
  /** The monotonic clock, ms. */
  readonly monotonic: () => number;
  /** Returns what to write now; undefined when nothing changed. */
  readonly take: (number: number) => Batch | undefined;
  /** Calls back in a moment, when the calls that have come in by now have been run. */
  readonly soon: (callback: () => void) => void;
  /** Called when a commit failed, after those that waited were told; and when all is written again. */
  readonly failed: (message: string) => void;
  readonly recovered: () => void;
}

/**
 * Commits in groups. One is on its way to the file, and all that comes meanwhile shares the next; the sync of earlier ones
 * goes on beside that. The states of the line:
 *
 * - idle: nothing is on its way; the first operation calls for a commit `soon`.
 * - writing: a batch was sent and is not written yet.
 * - failing: a commit failed. All that waited were told so. The batches that are not synced are kept, and sent again after
 *   the file was opened anew; their notices follow when they are synced.
 */
export class CommitLine {
  readonly #deps: CommitLineDeps;
  #state: "idle" | "writing" | "failing" = "idle";
  #isCalled = false;
  #open: Group = newGroup();
  /** Sent and not yet synced, in order. */
  #sent: Group[] = [];
  #numbers = 0;
  #quiet: (() => void)[] = [];

  constructor(deps: CommitLineDeps) {
    this.#deps = deps;
  }

  /** How many operations wait for a commit. */
  get pending(): number {
    const groups = [...this.#sent, this.#open];
    return groups.reduce((sum, { early, waiters }) => sum + early.length + waiters.length, 0);
  }

  get isFailing(): boolean {
    return this.#state === "failing";
  }

  /**
   * Adds an operation that has run: its notices, and who waits for it. `isDirty`: something waits to be written; if not, it has
   * only seen what earlier ones did. `isEarly`: it is answered as soon as it is written.
   */
  add(notices: readonly (() => void)[], waiter: Waiter, isDirty: boolean, isEarly: boolean): void {
    const group = isDirty ? this.#open : this.#sent.at(-1);
    if (group === undefined) {
      for (const notice of notices) notice();
      waiter.kept();
      return;
    }
    for (const notice of notices) group.notices.push(notice);
    (isEarly && isDirty ? group.early : group.waiters).push(waiter);
    if (isDirty) this.#call();
  }

  /** Takes what the writer says. */
  reply(reply: Reply): void {
    if (reply.kind === "written") this.#written(reply.number);
    else if (reply.kind === "synced") this.#synced(reply.number);
    else if (reply.kind === "failed") this.#fail(reply.message);
    else if (reply.kind === "reopened") this.#sendAgain();
  }

  /** Resolves when all is synced, or cannot be for now. */
  async settled(): Promise<void> {
    if (this.#state === "failing" || (this.#sent.length === 0 && !this.#isCalled)) return;
    await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  #call(): void {
    if (this.#isCalled || this.#state !== "idle") return;
    this.#isCalled = true;
    this.#deps.soon(() => {
      this.#isCalled = false;
      if (this.#state === "idle") this.#send();
    });
  }

  #send(): void {
    const batch = this.#deps.take(this.#numbers + 1);
    if (batch === undefined) return;
    this.#numbers++;
    const group = this.#open;
    this.#open = newGroup();
    group.number = batch.number;
    group.batch = batch;
    group.sentAt = this.#deps.monotonic();
    group.callers = group.early.length + group.waiters.length;
    this.#sent.push(group);
    this.#state = "writing";
    this.#deps.writer.send({ kind: "write", batch });
  }

  #written(number: number): void {
    if (this.#state === "failing") return;
    for (const group of this.#sent) {
      if (group.number > number) break;
      if (group.number === number) this.#observe("commit", group);
      const { early } = group;
      group.early = [];
      for (const { kept } of early) kept();
    }
    this.#state = "idle";
    this.#send();
  }

  #synced(number: number): void {
    const first = this.#sent.findIndex((group) => group.number > number);
    const groups = this.#sent.splice(0, first < 0 ? this.#sent.length : first);
    if (this.#state !== "failing") for (const group of groups) this.#observe("sync", group);
    for (const { notices } of groups) for (const notice of notices) notice();
    for (const { early, waiters } of groups) for (const { kept } of [...early, ...waiters]) kept();
    if (this.#sent.length > 0) return;
    if (this.#state === "failing") {
      this.#state = "idle";
      // What was decided before it was known that commits fail is written before anything else is decided.
      this.#send();
      this.#deps.recovered();
    }
    if (this.#sent.length === 0) this.#tellQuiet();
  }

  #fail(message: string): void {
    this.#state = "failing";
    this.#deps.observer.failed("commit", "unavailable");
    const groups = [...this.#sent, this.#open];
    const waiting = groups.flatMap(({ early, waiters }) => [...early, ...waiters]);
    for (const group of groups) group.early = group.waiters = [];
    for (const { failed } of waiting) failed(message);
    this.#deps.failed(message);
    this.#tellQuiet();
  }

  #sendAgain(): void {
    if (this.#sent.length === 0) this.#synced(this.#numbers);
    for (const { batch } of this.#sent) if (batch !== undefined) this.#deps.writer.send({ kind: "write", batch });
  }

  #observe(call: "commit" | "sync", { sentAt, callers }: Group): void {
    this.#deps.observer.called(call, (this.#deps.monotonic() - sentAt) / 1000, callers);
  }

  #tellQuiet(): void {
    const quiet = this.#quiet;
    this.#quiet = [];
    for (const resolve of quiet) resolve();
  }
}

function newGroup(): Group {
  return { number: 0, batch: undefined, notices: [], early: [], waiters: [], sentAt: 0, callers: 0 };
}
