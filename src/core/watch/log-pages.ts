import type { Backend } from "../backend.js";
import type { ChangeFilter } from "../port/changes.js";
import type { JobsEvent } from "./watch-events.js";

/** Most changes read from the log in one call: a watcher that does not take them holds no more. */
const READ_BATCH = 128;

/** Most reads of the log at the same time: after a break, all watchers want to read. */
const MAX_READS = 16;

/** A page of the log, as events for watchers. */
export interface EventPage {
  readonly events: readonly JobsEvent[];
  readonly next: string;
  readonly more: boolean;
  /** As in `ChangePage`. */
  readonly told: number | undefined;
}

/** Reads pages of the change log. Watchers at the same position with the same filter share a read and its events. */
export class LogPages {
  readonly #backend: Backend;
  readonly #reads = new Map<string, { readonly page: Promise<EventPage>; readers: number }>();
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Call when the log has grown: reads in progress may lack the new changes, so nobody else may join them. */
  changed(): void {
    if (this.#reads.size > 0) this.#reads.clear();
  }

  /** Resolves to the position after the newest change. */
  head(): Promise<string> {
    return this.#backend.head();
  }

  /** Reads the page after a position. `isShared` is whether other watchers get the same event objects. */
  async read(position: string, filter: ChangeFilter, filterKey: string): Promise<EventPage & { isShared: boolean }> {
    const key = `${position} ${filterKey}`;
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = { page: this.#read(position, filter), readers: 0 };
      this.#reads.set(key, read);
    }
    read.readers++;
    try {
      const page = await read.page;
      return { ...page, isShared: read.readers > 1 };
    } finally {
      if (this.#reads.get(key) === read) this.#reads.delete(key);
    }
  }

  async #read(position: string, filter: ChangeFilter): Promise<EventPage> {
    if (this.#running >= MAX_READS) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#running++;
    try {
      const { entries, next, more, told } = await this.#backend.read(position, READ_BATCH, filter);
      return { events: entries.map(({ change, cursor }) => ({ kind: "event", change, cursor })), next, more, told };
    } finally {
      const following = this.#queue.shift();
      if (following === undefined) this.#running--;
      else following();
    }
  }
}
