import type { Clock } from "../../../core/clock.js";
import type { Logger } from "../../../model/logger.js";
import { RedisUnusable } from "./check-server.js";
import type { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { hidePassword } from "./url.js";

/** Least time between two log lines about the same trouble, ms. */
const COMPLAINT_MS = 5000;

/** Wait before it is tried again to go on after a break, ms. */
const RESUME_MS = 500;

/** Wait before a connection that was given up is made anew, ms. */
const RECONNECT_MS = 100;

/** Wait between two looks whether the connections are there, at the start, ms. */
const LOOK_MS = 20;

/** What a session stands on. */
export interface SessionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** For messages. */
  readonly url: string;
  readonly client: Client;
  readonly subscriber: Client;
  readonly connection: Connection;
  readonly subscription: Connection;
  /** Looks at everything anew; called once both connections are there again. */
  readonly goOn: () => Promise<void>;
  /** Told when Redis can be reached again, after `goOn`, or not any more. */
  readonly available: (isAvailable: boolean) => void;
}

/** Whether Redis is there: two connections, for calls and for the channel, that come and go together. */
export class Session {
  readonly #deps: SessionDeps;
  #isStarted = false;
  #isStopped = false;
  #isAvailable = false;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #trouble = "";
  #resuming: Promise<void> | undefined;
  #resumeAgain = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    for (const each of [deps.client, deps.subscriber]) {
      each.on("error", (error: Error & { lastNodeError?: Error }) => this.#note(error.lastNodeError ?? error));
      each.on("close", () => this.#setAvailable(false));
      each.on("ready", () => void this.resume());
      each.on("end", () => this.#connectAnew(each));
    }
  }

  /** Whether both connections are there, after the start. */
  get isReady(): boolean {
    return this.#isStarted && !this.#isStopped && this.#isConnected;
  }

  get isAvailable(): boolean {
    return this.#isAvailable;
  }

  get #isConnected(): boolean {
    return this.#deps.connection.isReady && this.#deps.subscription.isReady;
  }

  /** Waits for both connections, until a time on the monotonic clock. RedisUnusable. */
  async connect(end: number): Promise<void> {
    const { client, subscriber, clock } = this.#deps;
    for (const each of [client, subscriber]) {
      if (each.status === "wait") each.connect().catch((error: Error) => this.#note(error));
    }
    for (;;) {
      // A connection whose database does not exist becomes ready all the same, on database 0.
      const hopeless = this.#isConnected ? /DB index/ : /WRONGPASS|NOAUTH|NOPERM|DB index|ENOTFOUND|NOPROTO/;
      const isLate = !this.#isConnected && clock.monotonic() >= end;
      if (hopeless.test(this.#trouble) || isLate) throw this.unusable();
      if (this.#isConnected) return;
      await new Promise<void>((resolve) => clock.setTimer(LOOK_MS, resolve));
    }
  }

  /** Everything was looked at for the first time: from now on breaks are noticed. */
  started(): void {
    this.#isStarted = this.#isAvailable = true;
    if (!this.#isConnected) this.#setAvailable(false);
  }

  stop(): void {
    this.#isStopped = true;
    this.#deps.connection.stop();
    this.#deps.subscription.stop();
  }

  /** Why this Redis cannot be used. */
  unusable(why = this.#trouble): RedisUnusable {
    return new RedisUnusable(`cannot use Redis at ${hidePassword(this.#deps.url)}: ${why || "it does not answer"}`);
  }

  /** Looks at everything anew, once both connections are there. A call while it does so makes it begin again. */
  resume(): Promise<void> {
    this.#resumeAgain = true;
    this.#resuming ??= this.#resume().finally(() => {
      this.#resuming = undefined;
    });
    return this.#resuming;
  }

  async #resume(): Promise<void> {
    const { clock, logger, goOn } = this.#deps;
    while (this.#resumeAgain && this.isReady) {
      this.#resumeAgain = false;
      try {
        await goOn();
        if (!this.#resumeAgain && this.isReady) this.#setAvailable(true);
      } catch (error) {
        if (this.#isStopped) return;
        logger.warn({ err: error }, "could not go on after a break in the connection to Redis; trying again");
        await new Promise<void>((resolve) => clock.setTimer(RESUME_MS, resolve));
        this.#resumeAgain = true;
      }
    }
  }

  /** The library gives up for good when it is cut off while it asks a Sentinel; a server must not. */
  #connectAnew(client: Client): void {
    if (this.#isStopped) return;
    this.#deps.clock.setTimer(RECONNECT_MS, () => {
      if (!this.#isStopped && client.status === "end") client.connect().catch((error: Error) => this.#note(error));
    });
  }

  #setAvailable(value: boolean): void {
    if (!this.#isStarted || this.#isStopped || (!value && !this.#isAvailable)) return;
    const { logger, available } = this.#deps;
    if (value && !this.#isAvailable) logger.info({}, "Redis is there");
    if (!value) logger.warn({}, "Redis is away: creates are refused until it is back");
    this.#isAvailable = value;
    available(value);
  }

  #note(error: Error): void {
    const { clock, logger } = this.#deps;
    this.#trouble = error.message || String(error);
    const now = clock.monotonic();
    if (!this.#isStarted || now - this.#complainedAt < COMPLAINT_MS) return;
    this.#complainedAt = now;
    logger.warn({ err: error }, "trouble with the connection to Redis");
  }
}
