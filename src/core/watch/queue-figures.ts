import type { Queue } from "../../model/queue/queue.js";
import type { QueuePatterns } from "../../model/queue/queue-patterns.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import { yieldToEventLoop } from "../turns/yield-to-event-loop.js";
import type { QueuesEvent } from "./watch-events.js";

/** Queues read in one call, with other work in between, and told in one message of changes. */
const READ_PART = 100;
const TELL_PART = 500;

/** Figures are read again after this time although nothing told that they have changed, ms; so many at a time. */
const OLD_MS = 60_000;
const OLD_PART = 100;

/** How long a reading serves those that come a little later, if nothing was told meanwhile, ms. */
const FRESH_MS = 50;

/** By how much the time at which the oldest job became ready may differ between two readings of the same job, ms. */
const AGE_SLACK_MS = 1000;

/** What a watcher of queues wants. */
export interface QueuesScope {
  /** Undefined: all. */
  readonly names: readonly string[] | undefined;
  /** Of all queues only these. */
  readonly within?: QueuePatterns | undefined;
  /** Tells watchers apart that want something else. */
  readonly key: string;
}

/** What a watcher that asks for changes only was told: these queues, as they were in a reading. */
export interface Told {
  readonly names: ReadonlySet<string>;
  readonly reading: number;
}

interface Known {
  queue: Queue;
  /** When it was read, ms on the monotonic clock. */
  readAt: number;
  /** The reading that first saw it as it is. */
  since: number;
}

/**
 * The figures of queues, read once for all watchers: only of queues that changed since the last reading, one reading at a
 * time, in parts. Watchers that want the same at the same time get the same event objects. It keeps nothing while nobody
 * watches.
 */
export class QueueFigures {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();
  #isAllDirty = true;
  /** The names that are read, sorted. */
  #names: readonly string[] = [];
  readonly #scopes = new Set<QueuesScope>();
  /** Counts what `changed` was told. */
  #marks = 0;
  #reading = 0;
  #running: { readonly done: Promise<void>; readonly marks: number } | undefined;
  /** The last reading that succeeded, if none is running: when it ended, ms on the monotonic clock. */
  #last: { readonly at: number; readonly marks: number } | undefined;
  #events = new Map<string, readonly QueuesEvent[]>();

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Begins to keep what a watcher wants. */
  open(scope: QueuesScope): void {
    this.#scopes.add(scope);
    // What is being read may be of other queues.
    this.#marks++;
  }

  /** Ends that. */
  close(scope: QueuesScope): void {
    if (!this.#scopes.delete(scope) || this.#scopes.size > 0) return;
    this.#known.clear();
    this.#dirty.clear();
    this.#events.clear();
    this.#isAllDirty = true;
  }

  /** The figures of this queue may have changed, or those of any queue. */
  changed(queue?: string): void {
    if (this.#scopes.size === 0) return;
    this.#marks++;
    if (queue === undefined) this.#isAllDirty = true;
    else this.#dirty.add(queue);
  }

  /**
   * Resolves when all that `changed` was told so far has been read; to the number of that reading. Rejects with the error of
   * the backend.
   */
  async read(): Promise<number> {
    const marks = this.#marks;
    if (this.#last?.marks === marks && this.#clock.monotonic() - this.#last.at < FRESH_MS) return this.#reading;
    for (;;) {
      this.#running ??= this.#start();
      const running = this.#running;
      await running.done;
      if (running.marks >= marks) return this.#reading;
    }
  }

  /** The last reading: all queues of a scope. The same object for all that ask at the same time. */
  all(scope: QueuesScope): QueuesEvent {
    const [event] = this.#shared(scope.key, () => {
      const queues = this.#namesOf(scope).flatMap((name) => this.#now(name));
      return [{ kind: "event", at: this.#clock.now(), queues, gone: [], hasMore: false }];
    });
    return event as QueuesEvent;
  }

  /**
   * What has changed in a scope since a watcher was told, in parts; nothing when nothing has. Undefined `told`: everything, in one
   * empty part if there is no queue. The same objects for all that were told the same.
   */
  changes(scope: QueuesScope, told: Told | undefined): readonly QueuesEvent[] {
    return this.#shared(`${scope.key} ${told?.reading ?? "all"}`, () => {
      const queues = this.#namesOf(scope).flatMap((name) => {
        const isNew = told === undefined || (this.#known.get(name)?.since ?? 0) > told.reading || !told.names.has(name);
        return isNew ? this.#now(name) : [];
      });
      const gone = told === undefined ? [] : [...told.names].filter((name) => !this.#known.has(name)).sort();
      if (told !== undefined && queues.length === 0 && gone.length === 0) return [];
      const at = this.#clock.now();
      const events: QueuesEvent[] = [];
      for (let from = 0; from === 0 || from < queues.length; from += TELL_PART) {
        const part = queues.slice(from, from + TELL_PART);
        const hasMore = from + TELL_PART < queues.length;
        events.push({ kind: "event", at, queues: part, gone: from === 0 ? gone : [], hasMore });
      }
      return events;
    });
  }

  /** The names of a scope, sorted. */
  #namesOf({ names, within }: QueuesScope): readonly string[] {
    if (names !== undefined) return [...new Set(names)].sort();
    return within === undefined ? this.#names : this.#names.filter((name) => within.has(name));
  }

  #shared(key: string, make: () => readonly QueuesEvent[]): readonly QueuesEvent[] {
    let events = this.#events.get(key);
    if (events === undefined) {
      events = make();
      this.#events.set(key, events);
    }
    return events;
  }

  /** A queue as it is now: the oldest ready job has grown older since it was read. */
  #now(name: string): Queue[] {
    const known = this.#known.get(name);
    if (known === undefined) return [];
    const { queue, readAt } = known;
    const { oldestReadyAgeMs: age } = queue.stats;
    const passed = Math.floor(this.#clock.monotonic() - readAt);
    if (age === undefined || passed === 0) return [queue];
    return [{ ...queue, stats: { ...queue.stats, oldestReadyAgeMs: age + passed } }];
  }

  #start(): { readonly done: Promise<void>; readonly marks: number } {
    const marks = this.#marks;
    this.#last = undefined;
    const done = this.#read()
      .then(() => {
        this.#last = { at: this.#clock.monotonic(), marks };
      })
      .finally(() => {
        this.#running = undefined;
      });
    return { done, marks };
  }

  async #read(): Promise<void> {
    const names = await this.#wanted();
    const all = this.#isAllDirty;
    const oldest = this.#clock.monotonic() - OLD_MS;
    let old = OLD_PART;
    const queues = names.filter((name) => {
      if (this.#dirty.delete(name) || all) return true;
      const known = this.#known.get(name);
      return known === undefined || (known.readAt <= oldest && old-- > 0);
    });
    this.#isAllDirty = false;
    // What is left is not there any more, or is watched no more.
    for (const name of this.#dirty) this.#known.delete(name);
    this.#dirty.clear();
    this.#reading++;
    let from = 0;
    try {
      for (; from < queues.length; from += READ_PART) {
        if (from > 0) await yieldToEventLoop();
        await this.#readPart(queues.slice(from, from + READ_PART));
      }
    } catch (error) {
      for (const name of queues.slice(from)) this.#dirty.add(name);
      throw error;
    } finally {
      this.#names = names;
      this.#events.clear();
    }
    if (all || this.#known.size > names.length) this.#forgetAllBut(new Set(names));
  }

  /** The names to read, sorted. */
  async #wanted(): Promise<readonly string[]> {
    const named = new Set<string>();
    for (const { names } of this.#scopes) {
      if (names === undefined) return (await this.#backend.queueNames()).map(({ name }) => name);
      for (const name of names) named.add(name);
    }
    return [...named].sort();
  }

  async #readPart(names: readonly string[]): Promise<void> {
    const found = new Map((await this.#backend.queues(names, "part")).map((queue) => [queue.name, queue]));
    const readAt = this.#clock.monotonic();
    for (const name of names) {
      const queue = found.get(name);
      const before = this.#known.get(name);
      if (queue === undefined) this.#known.delete(name);
      else if (before === undefined || !isSame(before, { queue, readAt })) {
        this.#known.set(name, { queue, readAt, since: this.#reading });
      } else {
        before.queue = queue;
        before.readAt = readAt;
      }
    }
  }

  #forgetAllBut(names: ReadonlySet<string>): void {
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }
}

type Read = Pick<Known, "queue" | "readAt">;

/** Whether nothing has changed but the age of the oldest ready job, which grows. */
function isSame(a: Read, b: Read): boolean {
  const [ageA, ageB] = [a.queue.stats.oldestReadyAgeMs, b.queue.stats.oldestReadyAgeMs];
  if ((ageA === undefined) !== (ageB === undefined)) return false;
  if (Math.abs(a.readAt - (ageA ?? 0) - (b.readAt - (ageB ?? 0))) > AGE_SLACK_MS && ageA !== undefined) return false;
  return withoutAge(a.queue) === withoutAge(b.queue);
}

function withoutAge(queue: Queue): string {
  return JSON.stringify({ ...queue, stats: { ...queue.stats, oldestReadyAgeMs: undefined } });
}
