import { createConnection, type Socket } from "node:net";
import type { Clock, Timer } from "../../../core/clock.js";
import type { StoreObserver } from "../../../core/port/store-observer.js";
import { backendUnavailable } from "../../../model/common/errors.js";
import type { Logger } from "../../../model/log/logger.js";
import { FrameReader, packFrame } from "../codec/frames.js";
import { type Answer, type Hello, type Notice, VERSION, type Welcome } from "../codec/messages.js";
import { Calls, type Reading } from "./calls.js";
import type { Gathered } from "./gathered.js";
import { SharedStoreUnusable } from "./store-away.js";

/** How long the store may say nothing while it is asked something, ms: RPC callers are to get an answer within 2 s. */
const SILENT_MS = 1700;

/** A timer that is so late was late because this process did nothing for so long: what has come meanwhile is read first. */
const LATE_MS = 200;

/** Interval of the heartbeats, ms. */
const BEAT_MS = 2500;

/** Shortest and longest wait before the next try to connect, ms. */
const MIN_RETRY_MS = 20;
const MAX_RETRY_MS = 1000;

/** Longest that a stop waits for what is still to be sent, ms. */
const STOP_MS = 1000;

const AWAY = "the process that keeps the jobs is away";

/** Dependencies of a link. */
export interface LinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: StoreObserver;
}

/** Whom a link serves. Its methods must not throw. */
export interface LinkOwner {
  /** What is said first on each connection. */
  readonly hello: () => Hello;
  /** Called on each connection when the store has answered that; then calls are possible. */
  readonly welcome: (welcome: Welcome) => void;
  readonly notice: (notice: Notice) => void;
  /** What workers here take now, for a heartbeat. */
  readonly taken: () => Hello["taken"];
  /** The store does not answer (false), or does again although the connection was there all the time (true). */
  readonly heard: (isHeard: boolean) => void;
  /** The connection is gone. */
  readonly lost: () => void;
}

/**
 * The connection of a server to the process that keeps the jobs. It is made anew whenever it breaks.
 *
 * | state   | calls                | moves to                                                               |
 * |---------|----------------------|------------------------------------------------------------------------|
 * | AWAY    | fail                 | READY: connected and welcomed                                          |
 * | READY   | are sent             | SILENT: asked, and heard nothing for `SILENT_MS`; AWAY: the connection broke |
 * | SILENT  | fail                 | READY: something was heard; AWAY: the connection broke                 |
 * | STOPPED | fail                 |                                                                        |
 */
export class Link {
  readonly #deps: LinkDeps;
  readonly #path: string;
  readonly #owner: LinkOwner;
  readonly #calls: Calls;
  #state: "AWAY" | "READY" | "SILENT" | "STOPPED" = "AWAY";
  #socket: Socket | undefined;
  #heardAt = 0;
  #isFlushing = false;
  #watch: Timer | undefined;
  #beat: Timer | undefined;
  #retry: Timer | undefined;
  #retryMs = MIN_RETRY_MS;
  /** Why it could not connect the last time. */
  #trouble = "nobody listens there";
  /** Settles `start`. */
  #started: ((error?: unknown) => void) | undefined;

  constructor(deps: LinkDeps, path: string, owner: LinkOwner) {
    this.#deps = deps;
    this.#path = path;
    this.#owner = owner;
    this.#calls = new Calls(() => deps.clock.monotonic(), deps.observer);
  }

  /** Calls that were not answered yet. */
  get pending(): number {
    return this.#calls.pending;
  }

  /** Connects; rejects with `SharedStoreUnusable` when that takes longer than so many ms. */
  start(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#deps.clock.setTimer(timeoutMs, () => {
        this.#end(new SharedStoreUnusable(`cannot reach the process that keeps the jobs: ${this.#trouble}`));
      });
      this.#started = (error) => {
        timer.cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#connect();
    });
  }

  /** Sends what waits, as far as it is not more than a frame, and ends the connection. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    if (this.#state === "READY") this.#flush();
    this.#state = "STOPPED";
    if (socket !== undefined && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        const timer = this.#deps.clock.setTimer(STOP_MS, resolve);
        socket.end(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#end();
  }

  /** Makes a call. `bytes`: see `Calls.call`. BACKEND_UNAVAILABLE when the store is away or does not answer. */
  call<R>(method: string, args: () => unknown, reading: Reading<R>, bytes = 0): Promise<R> {
    if (this.#state !== "READY") return Promise.reject(backendUnavailable(AWAY));
    const answer = this.#calls.call(method, args, reading, bytes);
    this.#flushSoon();
    return answer;
  }

  /** Makes a call together with those of other callers. */
  gather<I, R>(kind: Gathered<I, R>, items: readonly I[]): Promise<readonly R[]> {
    if (this.#state !== "READY") return Promise.reject(backendUnavailable(AWAY));
    if (items.length === 0) return Promise.resolve([]);
    const answer = this.#calls.gather(kind, items);
    this.#flushSoon();
    return answer;
  }

  /** Sends what is not answered, if the store is there; `isBeforeCalls`: see `Calls.tell`. */
  tell(method: string, args: unknown, isBeforeCalls = false): void {
    if (this.#state !== "READY" && this.#state !== "SILENT") return;
    this.#calls.tell(method, args, isBeforeCalls);
    this.#flushSoon();
  }

  #connect(): void {
    const socket = createConnection({ path: this.#path });
    const { clock } = this.#deps;
    const reader = new FrameReader((messages) => this.#take(messages as readonly (Answer | Notice)[]));
    this.#socket = socket;
    const timer = clock.setTimer(SILENT_MS, () => socket.destroy(new Error("it does not answer")));
    socket.on("connect", () => {
      const args = () => this.#owner.hello();
      const read = (welcome: Welcome) => {
        timer.cancel();
        this.#welcome(welcome);
      };
      this.#calls.call("hello", args, { read }).catch(() => undefined);
      this.#flush();
    });
    socket.on("data", (chunk) => {
      this.#heardAt = clock.monotonic();
      if (this.#state === "SILENT") {
        this.#state = "READY";
        this.#owner.heard(true);
      }
      try {
        reader.push(chunk);
      } catch (error) {
        this.#deps.logger.error({ err: error }, "what the process that keeps the jobs says cannot be read");
        socket.destroy();
      }
    });
    socket.on("drain", () => this.#flush());
    socket.on("error", (error) => {
      this.#trouble = error.message;
    });
    socket.on("close", () => {
      timer.cancel();
      if (this.#socket === socket) this.#closed();
    });
  }

  #welcome(welcome: Welcome): void {
    if (this.#state === "STOPPED") return;
    if (welcome.version !== VERSION) {
      this.#trouble = "the process that keeps the jobs is another version than this one";
      if (this.#started === undefined) this.#socket?.destroy();
      else this.#end(new SharedStoreUnusable(this.#trouble));
      return;
    }
    this.#state = "READY";
    this.#retryMs = MIN_RETRY_MS;
    this.#owner.welcome(welcome);
    this.#armBeat();
    this.#started?.();
    this.#started = undefined;
  }

  #take(messages: readonly (Answer | Notice)[]): void {
    for (const message of messages) {
      if (message[0] === 0) this.#owner.notice(message as Notice);
      else this.#calls.answered(message as Answer);
    }
  }

  #closed(): void {
    const wasThere = this.#state === "READY" || this.#state === "SILENT";
    if (this.#state === "STOPPED") return;
    this.#state = "AWAY";
    this.#watch?.cancel();
    this.#watch = undefined;
    this.#beat?.cancel();
    this.#calls.fail(backendUnavailable(AWAY), true);
    if (wasThere) {
      this.#deps.observer.disconnected();
      this.#owner.lost();
    }
    this.#retry = this.#deps.clock.setTimer(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  /** Ends it for good; `error`: what a `start` rejects with that is under way. */
  #end(error: Error = backendUnavailable(AWAY)): void {
    this.#state = "STOPPED";
    this.#started?.(error);
    this.#started = undefined;
    this.#watch?.cancel();
    this.#beat?.cancel();
    this.#retry?.cancel();
    this.#socket?.destroy();
    this.#calls.fail(backendUnavailable(AWAY), true);
  }

  /** What is called in the same turn travels together. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const socket = this.#socket;
    // While it takes no more, calls wait here; `drain` goes on.
    if (!this.#calls.isWaiting || socket === undefined || socket.destroyed || socket.writableNeedDrain) return;
    try {
      socket.write(packFrame(this.#calls.take()));
    } catch (error) {
      this.#deps.logger.error({ err: error }, "a call cannot be written for the process that keeps the jobs");
      socket.destroy();
      return;
    }
    this.#watchSoon(SILENT_MS);
    // Large ones one by one, so that nothing else waits for long.
    if (this.#calls.isWaiting) this.#flushSoon();
  }

  /** Looks in a while whether the store has answered. */
  #watchSoon(inMs: number): void {
    if (this.#watch !== undefined) return;
    const { clock } = this.#deps;
    const due = clock.monotonic() + inMs;
    this.#watch = clock.setTimer(inMs, () => {
      this.#watch = undefined;
      const oldest = this.#calls.oldest;
      if (oldest === undefined || this.#state !== "READY") return;
      const now = clock.monotonic();
      const left = Math.max(oldest, this.#heardAt) + SILENT_MS - now;
      if (now - due > LATE_MS) this.#watchSoon(LATE_MS);
      else if (left > 0) this.#watchSoon(left);
      else this.#silent();
    });
  }

  #silent(): void {
    this.#state = "SILENT";
    this.#calls.fail(backendUnavailable("the process that keeps the jobs does not answer"), false);
    this.#owner.heard(false);
  }

  #armBeat(): void {
    const { clock } = this.#deps;
    this.#beat?.cancel();
    this.#beat = clock.setTimer(BEAT_MS, () => {
      this.#armBeat();
      const taken = this.#owner.taken();
      this.call("beat", () => taken ?? null, { read: () => undefined }).catch(() => undefined);
    });
  }
}
