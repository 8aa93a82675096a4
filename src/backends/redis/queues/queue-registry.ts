import type { QueueName } from "../../../core/backend.js";
import type { Clock } from "../../../core/clock.js";
import { placeOfQueue } from "../../../core/stores/place-of-queue.js";
import type { Connection, Reply } from "../link/connection.js";
import type { Keys } from "../scripts/keys.js";
import { ANNOUNCE_QUEUE, ENTER_QUEUE, LEAVE_QUEUE, READ_LIST } from "../scripts/registry.js";
import { plainScript, type Script } from "../scripts/script.js";

/** How long the log of a deleted queue is kept, ms: watchers that resume learn from it that the jobs were deleted. */
export const GONE_LOG_MS = 24 * 3_600_000;

/** How long before its end it counts for nothing any more, ms: a cursor that is not older than this finds what it counts. */
export const UNCOUNTED_MS = 3_600_000;

/** How long the time of Redis that was heard last is good enough, ms. */
const PASS_MS = 60_000;

/** The stamp of a queue that is about to be created or deleted. */
export const ANNOUNCED = "0";

const ENTER = plainScript("end", ENTER_QUEUE);
const LEAVE = plainScript("end", LEAVE_QUEUE);
const READ = plainScript("read", READ_LIST);
/** Before a create, which a full memory refuses, and before a delete, which it does not. */
const ANNOUNCE = { create: plainScript("grow", ANNOUNCE_QUEUE), delete: plainScript("end", ANNOUNCE_QUEUE) };

/** The entry of a queue in the list. */
export interface ListEntry {
  /** When the queue was created, ms since 1970; `ANNOUNCED` before that is known. */
  readonly stamp: string;
  readonly weight: number;
}

/** One change of the list. */
export interface ListChange {
  readonly name: string;
  /** The number of the change: they are numbered one by one. */
  readonly version: number;
  /** The entry that was written; undefined when it was removed. */
  readonly entry: ListEntry | undefined;
  /** When an entry was removed: until when the log of the queue is kept, ms since 1970; 0: it has none. */
  readonly keptUntil: number;
}

/** Called right after the list as this server knows it has changed. Methods must not throw. */
export interface RegistryListener {
  /** A queue is in the list now, or has another weight. */
  entered(name: string): void;
  /** A queue is about to be created or deleted, by this server or another. */
  announced(name: string): void;
  /** A queue is not in the list any more. */
  left(name: string): void;
  /** Nobody is to read the log of this deleted queue any more. */
  over(name: string): void;
  /** Nobody needs to know of this deleted queue any more. */
  forgotten(name: string): void;
}

/**
 * The list of queues. A queue exists when its own keys say so; the list only tells which to look at. It is written
 * after those keys, so for a moment, or when a server died in between, an entry may be missing or left over. So that
 * such a queue is found, one that is about to be created is announced in the list first.
 *
 * Every change of the list is numbered and told to all servers, which follow it. The whole list is read only at the
 * start, after a break in the connection, and when a number is missing.
 */
export class QueueRegistry {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #listener: RegistryListener;
  readonly #entries = new Map<string, ListEntry>();
  readonly #announced = new Set<string>();
  /** The queues in `#entries`, sorted by name. Replaced at each change, so it may be handed out. */
  #list: readonly QueueName[] = [];
  #names: readonly string[] | undefined;
  /** Deleted queues whose logs may still be read, by when those end, ms since 1970; in that order. */
  readonly #gone = new Map<string, number>();
  /** Deleted queues whose logs nobody is to read any more, in the same way. */
  readonly #over = new Map<string, number>();
  /** The number of the last change that was heard of or read. */
  #heard = 0;
  /** By queue: the number of our own last change, until it is heard. Notices of earlier ones tell nothing new. */
  readonly #own = new Map<string, number>();
  /** For each read of the list under way: what was heard meanwhile. */
  readonly #reads = new Set<ListChange[]>();
  /** The time of Redis that was heard last, ms since 1970. It may step back: what was ahead for a second is not for ever. */
  #now = 0;
  /** When it was heard, ms on the monotonic clock. */
  #heardAt = 0;

  constructor(connection: Connection, keys: Keys, clock: Clock, listener: RegistryListener) {
    this.#connection = connection;
    this.#keys = keys;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** The queues, sorted by name. */
  get list(): readonly QueueName[] {
    return this.#list;
  }

  /** Names of the queues, sorted. */
  get names(): readonly string[] {
    this.#names ??= this.#list.map(({ name }) => name);
    return this.#names;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** `names`, and the deleted queues whose log may still be read. */
  get logs(): readonly string[] {
    return [...this.names, ...this.#gone.keys()];
  }

  /** Whether this is a deleted queue whose log nobody is to read any more. */
  isOver(name: string): boolean {
    return this.#over.has(name);
  }

  /** Until when the log of a deleted queue counts in cursors, ms since 1970; undefined: no deleted queue of this name is known. */
  countsUntil(name: string): number | undefined {
    const until = this.#gone.get(name) ?? this.#over.get(name);
    return until && until - UNCOUNTED_MS;
  }

  /** The logs that count until then or earlier do not count any more, ms since 1970. */
  get horizon(): number {
    return this.#now;
  }

  /** Notes that the log of a queue was not found. */
  noLog(name: string): void {
    const until = this.#gone.get(name);
    if (until === undefined) return;
    this.#gone.delete(name);
    this.#over.set(name, until);
    this.#listener.over(name);
  }

  /** Goes by our own clock when Redis has told no time for a while. */
  pass(): void {
    const passed = Math.floor(this.#clock.monotonic() - this.#heardAt);
    if (this.#gone.size + this.#over.size > 0 && passed > PASS_MS) this.#passed(this.#now + passed);
  }

  /** When the queue was created, by its entry, or `ANNOUNCED`; undefined when there is no entry. */
  stampOf(name: string): string | undefined {
    return this.#entries.get(name)?.stamp ?? (this.#announced.has(name) ? ANNOUNCED : undefined);
  }

  /** Reads the list from Redis; resolves to the queues, sorted by name. */
  async refresh(): Promise<readonly QueueName[]> {
    const meanwhile: ListChange[] = [];
    this.#reads.add(meanwhile);
    try {
      const reply = await this.#connection.script(READ, this.#listKeys, []);
      this.#replace(reply as [Buffer, number, Buffer[], Buffer[]]);
    } finally {
      this.#reads.delete(meanwhile);
    }
    for (const change of meanwhile) this.#hear(change);
    return this.#list;
  }

  /** Takes a change that was heard. `at`: when it was made. Returns false if one before it was missed: refresh then. */
  take(change: ListChange, at: number): boolean {
    for (const meanwhile of this.#reads) meanwhile.push(change);
    const isNext = change.version <= this.#heard + 1;
    // First: a queue that is made again has another log when its old one counts no more.
    this.#passed(at);
    this.#hear(change);
    return isNext;
  }

  /** Announces that a queue is about to be created or deleted, if it is not in the list; resolves to whether it was not. */
  async announce(name: string, why: "create" | "delete"): Promise<boolean> {
    const change = { name, entry: { stamp: ANNOUNCED, weight: 1 }, keptUntil: 0 };
    return this.#write(ANNOUNCE[why], name, [], change);
  }

  /** Adds a queue, or updates its weight. `stamp`: when it was created, ms since 1970. */
  async enter(name: string, stamp: number, weight: number): Promise<void> {
    const change = { name, entry: { stamp: String(stamp), weight }, keptUntil: 0 };
    await this.#write(ENTER, name, [stamp, weight], change);
  }

  /**
   * Removes the queue that was created at `stamp` (`ANNOUNCED`: that was never created); leaves a newer one of the same
   * name alone.
   */
  async leave(name: string, stamp: string): Promise<void> {
    const keptMs = stamp === ANNOUNCED ? 0 : GONE_LOG_MS;
    const change = { name, entry: undefined, keptUntil: keptMs === 0 ? 0 : this.#now + keptMs };
    await this.#write(LEAVE, name, [stamp, keptMs], change);
  }

  get #listKeys(): readonly string[] {
    return [this.#keys.queues, this.#keys.gone, this.#keys.listed];
  }

  /** Resolves to whether there was something to write. */
  async #write(
    script: Script,
    name: string,
    args: readonly (string | number)[],
    change: Omit<ListChange, "version">,
  ): Promise<boolean> {
    const reply = await this.#connection.script(script, this.#listKeys, [name, this.#keys.channel, ...args]);
    const version = Number(text(reply));
    // Its notice may have come before the answer, and others after it.
    if (version > this.#heard) {
      this.#own.set(name, version);
      this.#apply({ ...change, version });
    }
    return version > 0;
  }

  #hear(change: ListChange): void {
    const { name, version } = change;
    if (version <= this.#heard) return;
    this.#heard = version;
    const own = this.#own.get(name);
    if (own !== undefined && version >= own) this.#own.delete(name);
    if (own === undefined || version >= own) this.#apply(change);
  }

  #apply({ name, entry, keptUntil }: ListChange): void {
    if (entry?.stamp === ANNOUNCED) {
      this.#announced.add(name);
      // Only a queue without an entry is announced: somebody took that away.
      if (this.#entries.delete(name)) this.#put(name, undefined);
      this.#listener.announced(name);
      return;
    }
    this.#announced.delete(name);
    this.#exists(name);
    if (entry !== undefined) {
      this.#entries.set(name, entry);
      this.#put(name, { name, weight: entry.weight });
      this.#listener.entered(name);
      return;
    }
    if (keptUntil > 0) this.#gone.set(name, keptUntil);
    if (this.#entries.delete(name)) this.#put(name, undefined);
    this.#listener.left(name);
    if (keptUntil === 0) this.#listener.forgotten(name);
  }

  #exists(name: string): void {
    this.#gone.delete(name);
    this.#over.delete(name);
  }

  /** Puts a queue into the sorted list, or takes it out. */
  #put(name: string, queue: QueueName | undefined): void {
    const at = placeOfQueue(this.#list, name);
    const isThere = this.#list[at]?.name === name;
    this.#list = this.#list.toSpliced(at, isThere ? 1 : 0, ...(queue === undefined ? [] : [queue]));
    this.#names = undefined;
  }

  #replace([number, now, queues, gone]: [Buffer, number, Buffer[], Buffer[]]): void {
    this.#heard = Number(text(number));
    this.#now = now;
    this.#own.clear();
    const before = new Set([...this.#entries.keys(), ...this.#announced]);
    this.#entries.clear();
    this.#announced.clear();
    for (let at = 0; at < queues.length; at += 2) {
      const name = text(queues[at]);
      const [stamp = "", weight = "1"] = text(queues[at + 1]).split(":");
      before.delete(name);
      if (stamp === ANNOUNCED) this.#announced.add(name);
      else this.#entries.set(name, { stamp, weight: Number(weight) });
      this.#exists(name);
    }
    this.#list = [...this.#entries].map(([name, { weight }]) => ({ name, weight })).sort(byName);
    this.#names = undefined;
    for (let at = 0; at < gone.length; at += 2) {
      const name = text(gone[at]);
      if (!this.#entries.has(name) && !this.#over.has(name)) this.#gone.set(name, Number(text(gone[at + 1])));
    }
    for (const name of this.#entries.keys()) this.#listener.entered(name);
    for (const name of this.#announced) this.#listener.announced(name);
    for (const name of before) this.#listener.left(name);
    this.#passed(now);
  }

  /** Redis has told this time. Forgets queues a day after their logs: watchers that were idle may still name them. */
  #passed(now: number): void {
    this.#now = now;
    this.#heardAt = this.#clock.monotonic();
    for (const [name, until] of this.#gone) {
      if (until - UNCOUNTED_MS > now) break;
      this.noLog(name);
    }
    for (const [name, until] of this.#over) {
      if (until + GONE_LOG_MS > now) break;
      this.#over.delete(name);
      this.#listener.forgotten(name);
    }
  }
}

function byName(a: QueueName, b: QueueName): number {
  return a.name < b.name ? -1 : 1;
}

function text(reply: Reply | undefined): string {
  return reply instanceof Buffer ? reply.toString() : String(reply ?? "");
}
