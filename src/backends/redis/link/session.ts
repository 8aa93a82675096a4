import type { Clock, Timer } from "../../../core/clock.js";
import type { Logger } from "../../../model/log/logger.js";
import { lacksRights, RedisUnusable } from "./check-server.js";
import type { Client } from "./client.js";
import { type Connection, deniedCommand } from "./connection.js";
import { hidePassword } from "./url.js";

/** Least time between two log lines about connection errors, ms. */
const COMPLAINT_MS = 5000;

/** Wait before `goOn` is tried again after it failed, ms. */
const RESUME_MS = 500;

/** Wait before reconnecting a client that the library has given up, ms. */
const RECONNECT_MS = 100;

/** What the library says of a call, or an attempt to connect, whose connection was closed. */
const CLOSED = "Connection is closed.";

/** Interval of the checks at the start whether both connections are ready, ms. */
const LOOK_MS = 20;

/** Interval of the heartbeats, ms. */
const HEARTBEAT_MS = 2500;

/** Trouble that does not pass by itself. */
const HOPELESS = /WRONGPASS|NOAUTH|NOPERM|DB index|ENOTFOUND|NOPROTO|certificate/;

/** Dependencies of a session. */
export interface SessionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Only for error messages. */
  readonly url: string;
  readonly client: Client;
  readonly subscriber: Client;
  readonly connection: Connection;
  readonly subscription: Connection;
  /** Reads all state from Redis again; called when both connections are back. */
  readonly goOn: () => Promise<void>;
  /** Asks both connections for a sign of life, and whether Redis takes writes. Rejects when there is no such sign. */
  readonly beat: () => Promise<unknown>;
  /** Called with true when Redis can be reached again, after `goOn`, and with false when it cannot any more. */
  readonly available: (isAvailable: boolean) => void;
  /** Called when a connection broke that is made anew. */
  readonly disconnected: () => void;
}

/**
 * Tracks whether Redis is available: it is while both connections, for calls and for the channel, are ready and answer,
 * and while it takes writes.
 */
export class Session {
  readonly #deps: SessionDeps;
  #isStarted = false;
  #isStopped = false;
  #isAvailable = false;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #trouble = "";
  /** Whether waiting does not help against the trouble. */
  #isHopeless = false;
  #resuming: Promise<void> | undefined;
  #resumeAgain = false;
  #heartbeat: Timer | undefined;
  #isLooking = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    for (const each of [deps.client, deps.subscriber]) {
      each.on("error", (error: Error & { lastNodeError?: Error }) => this.#note(error.lastNodeError ?? error));
      each.on("close", () => {
        if (this.#isStarted && !this.#isStopped) deps.disconnected();
        this.#setAvailable(false);
      });
      each.on("ready", () => void this.resume());
      each.on("end", () => this.#connectAnew(each));
    }
  }

  /** Whether the session is started and both connections are ready. */
  get isReady(): boolean {
    return this.#isStarted && !this.#isStopped && this.#isConnected;
  }

  get isAvailable(): boolean {
    return this.#isAvailable;
  }

  get #isConnected(): boolean {
    return this.#deps.connection.isReady && this.#deps.subscription.isReady;
  }

  /** Waits for both connections until `end`, ms on the monotonic clock. Rejects with RedisUnusable. */
  async connect(end: number): Promise<void> {
    const { client, subscriber, clock } = this.#deps;
    for (const each of [client, subscriber]) {
      if (each.status === "wait" && !this.#isStopped) each.connect().catch((error: Error) => this.#note(error));
    }
    for (;;) {
      if (this.#isStopped) throw this.unusable("the server was stopped as it started");
      if (this.#isConnected) return;
      if (this.#isHopeless || clock.monotonic() >= end) throw this.unusable();
      await new Promise<void>((resolve) => clock.setTimer(LOOK_MS, resolve));
    }
  }

  /** Call when the start is complete: from now on breaks are reported. */
  started(): void {
    this.#isStarted = this.#isAvailable = true;
    if (!this.#isConnected) this.#setAvailable(false);
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#heartbeat?.cancel();
    this.#deps.connection.stop();
    this.#deps.subscription.stop();
  }

  /** The error that says why this Redis cannot be used. */
  unusable(why = this.#trouble): RedisUnusable {
    const denied = deniedCommand(why);
    // Errors of OpenSSL end their line.
    const reason = denied === undefined ? why.trim() || "it does not answer" : lacksRights([denied]);
    const { url } = this.#deps;
    const hint = url.startsWith("rediss") ? hintOfTls(why) : "";
    return new RedisUnusable(`cannot use Redis at ${hidePassword(url)}: ${reason}${hint}`);
  }

  /** Calls `goOn` if both connections are ready, until it succeeds. A call meanwhile makes it run once more. */
  resume(): Promise<void> {
    this.#resumeAgain = true;
    this.#resuming ??= this.#resume().finally(() => {
      this.#resuming = undefined;
    });
    return this.#resuming;
  }

  /** Looks whether Redis answers and takes writes. If not, it is away until `goOn` succeeds. */
  async look(): Promise<void> {
    if (!this.#isAvailable || !this.isReady || this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#deps.beat();
    } catch (error) {
      this.#note(error as Error);
      this.#setAvailable(false);
      void this.resume();
    } finally {
      this.#isLooking = false;
    }
  }

  #arm(): void {
    this.#heartbeat = this.#deps.clock.setTimer(HEARTBEAT_MS, () => {
      this.#arm();
      void this.look();
    });
  }

  async #resume(): Promise<void> {
    const { clock, goOn } = this.#deps;
    while (this.#resumeAgain && this.isReady) {
      this.#resumeAgain = false;
      try {
        await goOn();
        if (!this.#resumeAgain && this.isReady) this.#setAvailable(true);
      } catch (error) {
        if (this.#isStopped) return;
        this.#note(error as Error, "cannot go on with Redis yet; trying again");
        await new Promise<void>((resolve) => clock.setTimer(RESUME_MS, resolve));
        this.#resumeAgain = true;
      }
    }
  }

  /** Reconnects: the library gives up for good when it is cut off while it asks a Sentinel, and a server must not. */
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
    if (!value) logger.warn({}, "Redis is away, or takes no writes: creates are refused until it is back");
    this.#isAvailable = value;
    available(value);
  }

  #note(error: Error, text = "trouble with Redis"): void {
    const { clock, logger } = this.#deps;
    // The library says it with a number of ms that users cannot know.
    const isSilent = error.message.startsWith("Socket timeout");
    // What was refused may be followed by errors of a connection that was closed for it. That it was closed says less than why.
    const saysMore = this.#trouble === "" || error.message !== CLOSED;
    if (!this.#isHopeless && saysMore) this.#trouble = isSilent ? "it does not answer" : error.message || String(error);
    this.#isHopeless = !this.#isConnected && HOPELESS.test(this.#trouble);
    const now = clock.monotonic();
    if (!this.#isStarted || now - this.#complainedAt < COMPLAINT_MS) return;
    this.#complainedAt = now;
    logger.warn({ err: error }, text);
  }
}

/** What may be wrong with TLS when that says why it failed; "" when that says enough. */
function hintOfTls(why: string): string {
  // A Redis without TLS says nothing to who begins with it.
  if (why.includes("ETIMEDOUT")) return "; does it speak TLS at this port?";
  if (/self-signed|issuer certificate|verify the first/.test(why))
    return "; REDIS_TLS_CA names the authorities to trust";
  if (/altnames/.test(why)) return "; REDIS_TLS_SERVER_NAME says the name in it";
  return /alert certificate required/.test(why) ? "; REDIS_TLS_CERT and REDIS_TLS_KEY are shown to it" : "";
}
