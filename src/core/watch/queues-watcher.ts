import { isUnavailable } from "../../model/common/errors.js";
import type { QueuePatterns } from "../../model/queue/queue-patterns.js";
import type { Clock, Timer } from "../clock.js";
import { Feed, type FeedSource } from "./feed.js";
import type { QueueFigures, QueuesScope, Told } from "./queue-figures.js";
import { AWAY_MS, HEARTBEAT_MS, type QueuesEvent, type QueuesWatchEvent } from "./watch-events.js";

/** What a watcher of queues asks for. */
export interface QueuesWatchOptions {
  /** Undefined: all. */
  readonly names?: readonly string[] | undefined;
  /** Of all queues only these: for somebody who may reach no others. */
  readonly within?: QueuePatterns | undefined;
  /** Least time between two events, ms. */
  readonly minIntervalMs: number;
  /** Whether events after the first hold only queues that changed. Default: all queues each time. */
  readonly changesOnly?: boolean | undefined;
}

/** Dependencies of a watcher of queues. */
export interface QueuesWatcherDeps {
  readonly figures: QueueFigures;
  /** The set that it belongs to while it watches. `add` throws SERVER_DRAINING if the server is shutting down. */
  readonly readers: { add(reader: QueuesWatcher): void; delete(reader: QueuesWatcher): void };
  readonly clock: Clock;
  /** When the intervals of all watchers began, ms on the monotonic clock: those of the same length then share readings. */
  readonly epoch: number;
}

/**
 * A watcher of queues: a heartbeat and the queues as they are, then, when they have changed and the reader asks, the latest
 * figures; heartbeats in quiet times. A slow reader costs nothing, and gets the latest state when it asks.
 */
export class QueuesWatcher implements FeedSource {
  readonly feed = new Feed<QueuesWatchEvent>(this);
  readonly #deps: QueuesWatcherDeps;
  readonly #scope: QueuesScope;
  readonly #names: ReadonlySet<string> | undefined;
  readonly #within: QueuePatterns | undefined;
  readonly #minIntervalMs: number;
  readonly #changesOnly: boolean;
  /** Parts that were read and not given yet. */
  #parts: readonly QueuesEvent[] = [];
  #told: { readonly names: Set<string>; reading: number } | undefined;
  #isChanged = false;
  #isAway = false;
  #isReading = true;
  #timer: Timer | undefined;
  /** When the next event may be given, and the next heartbeat has to be, ms on the monotonic clock. */
  #openAt = 0;
  #heartbeatAt = 0;

  constructor({ names, within, minIntervalMs, changesOnly = false }: QueuesWatchOptions, deps: QueuesWatcherDeps) {
    this.#deps = deps;
    this.#minIntervalMs = minIntervalMs;
    this.#changesOnly = changesOnly;
    // Named queues cost less than a look at all names.
    const wanted = names ?? (within?.names && [...within.names]);
    this.#names = wanted && new Set(wanted);
    this.#within = wanted === undefined ? within : undefined;
    const key = JSON.stringify([changesOnly, wanted, this.#within?.key]);
    this.#scope = { names: wanted, within: this.#within, key };
    // Others may wait for the same figures at any time.
    this.feed.isShared = true;
  }

  started(): void {
    this.#start().catch((error) => this.feed.end({ cause: error }));
  }

  wanted(): void {
    this.#plan();
  }

  ended(): void {
    this.#timer?.cancel();
    this.#deps.readers.delete(this);
    this.#deps.figures.close(this.#scope);
  }

  /** Call when the figures of this queue may have changed, or those of any. */
  changed(queue: string | undefined): void {
    if (queue !== undefined && (this.#names ?? this.#within)?.has(queue) === false) return;
    if (this.#isChanged) return;
    this.#isChanged = true;
    // One operation may bring several notices.
    queueMicrotask(() => this.#plan());
  }

  async #start(): Promise<void> {
    const { readers, figures, clock } = this.#deps;
    readers.add(this);
    figures.open(this.#scope);
    const reading = await figures.read();
    if (this.feed.isEnded) return;
    this.#take(reading);
    this.#isReading = false;
    this.feed.push({ kind: "heartbeat", at: clock.now() });
    this.#plan();
  }

  /** Does what is due, and sets the timer for what comes next, if the reader waits for an event. */
  #plan(): void {
    if (this.#isReading || this.feed.isEnded || !this.feed.isWanted) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const [part, ...parts] = this.#parts;
    if (part !== undefined) {
      this.#parts = parts;
      this.feed.push(part);
      return;
    }
    const { clock } = this.#deps;
    const now = clock.monotonic();
    const eventAt = this.#isChanged || this.#isAway ? this.#openAt : Number.POSITIVE_INFINITY;
    if (eventAt <= now) this.#read();
    else if (this.#heartbeatAt <= now) {
      this.#heartbeatAt = now + HEARTBEAT_MS;
      this.feed.push({ kind: "heartbeat", at: clock.now() });
    } else this.#timer = clock.setTimer(Math.min(eventAt, this.#heartbeatAt) - now, () => this.#plan());
  }

  #read(): void {
    this.#isReading = true;
    this.#isChanged = false;
    this.#deps.figures.read().then(
      (reading) => {
        this.#isReading = false;
        this.#isAway = false;
        if (this.feed.isEnded) return;
        this.#take(reading);
        this.#plan();
      },
      (error) => {
        this.#isReading = false;
        if (!isUnavailable(error)) return this.feed.end({ cause: error });
        this.#isAway = true;
        this.#openAt = this.#deps.clock.monotonic() + Math.max(AWAY_MS, this.#minIntervalMs);
        this.#plan();
      },
    );
  }

  /** Notes what was read, to be given. */
  #take(reading: number): void {
    const { figures, clock, epoch } = this.#deps;
    if (this.#changesOnly) {
      this.#parts = figures.changes(this.#scope, this.#told as Told | undefined);
      this.#told ??= { names: new Set(), reading };
      this.#told.reading = reading;
      for (const { queues, gone } of this.#parts) {
        for (const { name } of queues) this.#told.names.add(name);
        for (const name of gone) this.#told.names.delete(name);
      }
    } else this.#parts = [figures.all(this.#scope)];
    const now = clock.monotonic();
    // Up to a second later than asked for, once, and then in step with the others.
    const grain = Math.min(Math.max(this.#minIntervalMs, 1), 1000);
    this.#openAt = epoch + Math.ceil((now + this.#minIntervalMs - epoch) / grain) * grain;
    if (this.#parts.length > 0) this.#heartbeatAt = now + HEARTBEAT_MS;
  }
}
