import type { Clock } from "../../../core/clock.js";
import { Pauses } from "../../../core/pauses.js";
import { backendUnavailable, memoryFull, TaskQueueError } from "../../../model/common/errors.js";
import { promised } from "../../../model/common/promised.js";
import type { Logger } from "../../../model/log/logger.js";
import type { Script } from "../scripts/script.js";
import { type Client, hasNodes } from "./client.js";

/** Longest that a call waits for a Redis that is away or silent, ms: RPC callers are to get an answer within 2 s. */
const CALL_MS = 1700;

/** Longest that a call waits for a Redis that answers, but is busy with what was asked before, ms. */
const BUSY_MS = 10_000;

/** Wait before a failed call is tried again, ms: a broken connection, a failover, a cluster that recovers. */
const RETRY_MS = 50;

/** For how long other nodes of a cluster may have been asked nothing, ms: longer than from one heartbeat to the next. */
const QUIET_MS = 3000;

/** An argument of a script. */
export type Arg = string | number | Buffer;

/** Arguments of a script, or a function that tells them each time that the call is sent. */
export type Args = readonly Arg[] | (() => readonly Arg[]);

/** The bytes of arguments from a place on, nearly: text counts by its length, numbers are small. */
export function bytesOf(args: readonly Arg[], from = 0): number {
  let bytes = 0;
  for (let at = from; at < args.length; at++) {
    const arg = args[at];
    bytes += typeof arg === "number" ? 8 : (arg?.length ?? 0);
  }
  return bytes;
}

/** Answer of a script. */
export type Reply = Buffer | number | null | readonly Reply[];

/**
 * Sends commands and scripts to Redis. While Redis is away, a call waits up to `CALL_MS` for it to come back, then
 * fails with BACKEND_UNAVAILABLE: no call hangs. A Redis that accepts calls but does not answer counts as away. One that answers
 * what was asked before is busy: answers come in the order of the calls, and many bytes take their time.
 */
export class Connection {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #refused: () => void;
  /** Waits that end when the connection becomes ready or is stopped. */
  readonly #pauses: Pauses;
  /** Since when Redis has been away or silent, ms on the monotonic clock; undefined while it is there. */
  #awaySince: number | undefined;
  /** When an answer came last, ms on the monotonic clock. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Whether the connection is being closed to be made anew. */
  #isCutting = false;
  isStopped = false;

  /** `refused` is called when Redis takes no writes at the moment. */
  constructor(client: Client, clock: Clock, logger: Logger, refused = () => {}) {
    this.#client = client;
    this.#clock = clock;
    this.#pauses = new Pauses(clock);
    this.#logger = logger;
    this.#refused = refused;
    client.on("close", () => {
      this.#awaySince ??= clock.monotonic();
      this.#isCutting = false;
    });
    client.on("ready", () => {
      this.#awaySince = undefined;
      this.#isCutting = false;
      this.#pauses.end();
    });
  }

  /** Whether calls can be sent now. */
  get isReady(): boolean {
    return this.#client.status === "ready";
  }

  /** Whether it is to several nodes, of which one may be slow while the others are not. */
  get hasNodes(): boolean {
    return hasNodes(this.#client);
  }

  /** Fails the calls that wait for Redis, and closes the connection. */
  stop(): void {
    this.isStopped = true;
    this.#pauses.end();
    this.#client.disconnect();
  }

  /**
   * Runs a script on these keys; in a cluster, the first key chooses the node. Resolves bulk strings to Buffers. `arrived` is called with
   * each answer as soon as it is there, in the order of the answers, also of a call that has failed meanwhile.
   */
  script(
    script: Script,
    keys: readonly string[],
    args: Args,
    arrived: (reply: Reply) => void = () => {},
  ): Promise<Reply> {
    return this.call((client) => {
      const rest = [keys.length, ...keys, ...(typeof args === "function" ? args() : args)];
      const answered = (reply: unknown): Reply => {
        arrived(reply as Reply);
        return reply as Reply;
      };
      return client.callBuffer("EVALSHA", [script.sha, ...rest]).then(answered, (error: unknown) => {
        if (!String(error).includes("NOSCRIPT")) throw error;
        return client.callBuffer("EVAL", [script.text, ...rest]).then(answered);
      });
    });
  }

  /**
   * Calls `send` and waits for its answer, at most `CALL_MS` in all; calls it again while that may help, so Redis may run
   * it more than once. BACKEND_UNAVAILABLE; MEMORY_FULL.
   */
  call<T>(send: (client: Client) => Promise<T>): Promise<T> {
    // The time runs from when Redis went away: later calls do not each wait the full CALL_MS again.
    const begun = this.#clock.monotonic();
    const end = Math.min(begun, this.#awaySince ?? begun) + CALL_MS;
    return this.#try(send, begun, end);
  }

  /** Nearly all calls are answered at once, and pay for no more than that: an async function has a state of its own. */
  #try<T>(send: (client: Client) => Promise<T>, begun: number, end: number): Promise<T> {
    if (!this.isReady || this.isStopped) return this.#tryLater(send, begun, end);
    const answer = promised(() => send(this.#client));
    return this.#within(end, answer, begun, (error) => this.#tryAgain(error, send, begun, end));
  }

  async #tryLater<T>(send: (client: Client) => Promise<T>, begun: number, end: number): Promise<T> {
    if (!(await this.#ready(end))) throw backendUnavailable("Redis is away");
    return this.#try(send, begun, end);
  }

  /** Tries a call again that failed, if that may help. */
  async #tryAgain<T>(error: unknown, send: (client: Client) => Promise<T>, begun: number, end: number): Promise<T> {
    const fault = classify(error);
    if (fault === "full") throw memoryFull("the memory of Redis is full: let jobs run, or purge some", error);
    if (fault === "other") throw error;
    if (fault === "denied") throw backendUnavailable("the Redis user may not do this", error);
    if (fault === "unwritable") {
      this.#refused();
      throw backendUnavailable("Redis takes no writes", error);
    }
    if (this.isStopped || this.#clock.monotonic() + RETRY_MS >= end) {
      throw backendUnavailable("Redis did not answer", error);
    }
    await this.#pauses.wait(RETRY_MS);
    return this.#try(send, begun, end);
  }

  /** Whether the connection is ready or becomes so before `end`, ms on the monotonic clock. */
  async #ready(end: number): Promise<boolean> {
    while (!this.isReady && !this.isStopped) {
      const left = end - this.#clock.monotonic();
      if (left <= 0) return false;
      await this.#pauses.wait(left);
    }
    return !this.isStopped;
  }

  /** Resolves to the answer, if it comes in time; else to what comes of `failed`. */
  #within<T>(end: number, answer: Promise<T>, begun: number, failed: (error: unknown) => Promise<T>): Promise<T> {
    const left = Math.max(0, end - this.#clock.monotonic());
    let isLate = false;
    return new Promise((resolve) => {
      const reject = (error: unknown) => resolve(failed(error));
      const late = () => {
        const now = this.#clock.monotonic();
        const isCluster = hasNodes(this.#client);
        // The answers of one server come in turn: ours is behind others.
        const answered = isCluster ? 0 : this.#answeredAt + CALL_MS - now;
        const wait = Math.min(answered, begun + BUSY_MS - now);
        if (wait > 0) {
          timer = this.#clock.setTimer(wait, late);
          return;
        }
        isLate = true;
        // One node of a cluster is silent, and the others are not: to connect anew would take the others away too.
        if (isCluster && this.#answeredAt >= begun - QUIET_MS) {
          reject(backendUnavailable("a node of Redis does not answer"));
          return;
        }
        if (answered > 0) {
          reject(backendUnavailable("Redis is too busy"));
          return;
        }
        this.#awaySince = Math.min(begun, this.#awaySince ?? begun);
        reject(backendUnavailable("Redis does not answer"));
        // Only once: a cluster client that is told again while it connects stays disconnected for good.
        if (!this.isReady || this.#isCutting) return;
        this.#isCutting = true;
        // Reconnect, so that later calls do not queue up behind this one; `ready` then tells that Redis is back.
        this.#logger.warn({}, "Redis does not answer: connecting anew");
        this.#client.disconnect(true);
      };
      let timer = this.#clock.setTimer(left, late);
      answer.then(
        (value) => {
          if (!isLate) timer.cancel();
          this.#answeredAt = this.#clock.monotonic();
          resolve(value);
        },
        (error) => {
          if (isLate) return;
          timer.cancel();
          reject(error);
        },
      );
    });
  }
}

/** Whether Redis has refused a call, or a command of a script, because the user lacks the right to it. */
export function isDenied(error: unknown): boolean {
  const { message = "" } = ((error instanceof TaskQueueError ? error.cause : error) ?? {}) as { message?: string };
  return /^-?NOPERM\b|The user executing the script can't|ACL failure in script/.test(message);
}

/** The command that Redis refused with these words, because the user lacks the right to it; undefined for other words. */
export function deniedCommand(message: string): string | undefined {
  return /NOPERM.* '([^']+)' command/.exec(message)?.[1]?.toUpperCase().replace("|", " ");
}

/**
 * What a failed call tells. `refused`: Redis did not run it, and it may be tried again; `unwritable`: nor will it run any
 * write until its disk, or its replicas, are right again; `denied`: the user lacks a right; `broken`: unknown whether Redis ran it;
 * `full`: the memory of Redis is full; `other`: a bug of ours.
 */
function classify(error: unknown): "refused" | "unwritable" | "denied" | "broken" | "full" | "other" {
  if (error instanceof TaskQueueError) return error.reason === "BACKEND_UNAVAILABLE" ? "broken" : "other";
  const { name = "", message = "", code = "" } = error as { name?: string; message?: string; code?: string };
  if (/^(-?OOM)\b/.test(message)) return "full";
  if (isDenied(error)) return "denied";
  if (/^-?(MISCONF|NOREPLICAS)\b/.test(message)) return "unwritable";
  if (/^-?(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOAUTH|WRONGPASS)\b/.test(message)) {
    return "refused";
  }
  if (/isn't (writeable|ready)|No subscriber/.test(message)) return "refused";
  if (name === "MaxRetriesPerRequestError" || name === "ClusterAllFailedError" || name === "AbortError")
    return "broken";
  if (/Connection is closed|Too many Cluster redirections|Socket closed/i.test(message)) return "broken";
  return code !== "" && /^(E[A-Z]+)$/.test(code) ? "broken" : "other";
}
