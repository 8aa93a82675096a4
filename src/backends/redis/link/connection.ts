import type { Clock } from "../../../core/clock.js";
import { backendUnavailable, memoryFull, TaskQueueError } from "../../../model/errors.js";
import type { Logger } from "../../../model/logger.js";
import type { Script } from "../scripts/script.js";
import type { Client } from "./client.js";

/** Longest that a call waits for Redis, away or silent, ms: callers are answered within 2 s. */
const CALL_MS = 1700;

/** Wait before a call that met a passing refusal (a failover, a cluster that heals) is tried again, ms. */
const RETRY_MS = 50;

/** How a call may be treated when its connection breaks under way. */
export interface CallOptions {
  /**
   * Whether it may be sent again when nobody knows if it was done. Calls that must not be are refused then.
   * Default: true.
   */
  readonly repeatable?: boolean;
}

/** An argument of a script. */
export type Arg = string | number | Buffer;

/** Arguments; those that depend on it are told whether an earlier try may have been done already. */
export type Args = readonly Arg[] | ((isRepeat: boolean) => readonly Arg[]);

/** What a script answers. */
export type Reply = Buffer | number | null | readonly Reply[];

/**
 * Calls scripts. While Redis is away, a call waits a moment for it to come back, and fails with BACKEND_UNAVAILABLE when
 * it does not: no call hangs. A Redis that accepts calls and does not answer counts as away.
 */
export class Connection {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #waiting = new Set<() => void>();
  /** Since when Redis is away or silent, on the monotonic clock. */
  #awaySince: number | undefined;
  #isStopped = false;

  constructor(client: Client, clock: Clock, logger: Logger) {
    this.#client = client;
    this.#clock = clock;
    this.#logger = logger;
    client.on("close", () => {
      this.#awaySince ??= clock.monotonic();
    });
    client.on("ready", () => {
      this.#awaySince = undefined;
      for (const wake of this.#waiting) wake();
    });
  }

  /** Whether calls can be sent now. */
  get isReady(): boolean {
    return this.#client.status === "ready";
  }

  /** Fails the calls that wait, and closes the connection. */
  stop(): void {
    this.#isStopped = true;
    for (const wake of this.#waiting) wake();
    this.#client.disconnect();
  }

  /** Runs a script on these keys, the first of which says where. Bulk answers are bytes. */
  script(script: Script, keys: readonly string[], args: Args, options: CallOptions = {}): Promise<Reply> {
    return this.call(async (_client, isRepeat) => {
      const rest = [keys.length, ...keys, ...(typeof args === "function" ? args(isRepeat) : args)];
      try {
        return (await this.#client.callBuffer("EVALSHA", [script.sha, ...rest])) as Reply;
      } catch (error) {
        if (!String(error).includes("NOSCRIPT")) throw error;
        return (await this.#client.callBuffer("EVAL", [script.text, ...rest])) as Reply;
      }
    }, options);
  }

  /** Sends a command, as `send` does it, and waits for its answer within the time that any call has. */
  async call<T>(
    send: (client: Client, isRepeat: boolean) => Promise<T>,
    { repeatable = true }: CallOptions = {},
  ): Promise<T> {
    let isRepeat = false;
    // Calls that come one after the other wait together no longer than one: Redis has its time once.
    const begun = this.#clock.monotonic();
    const end = Math.min(begun, this.#awaySince ?? begun) + CALL_MS;
    for (;;) {
      const wasReady = await this.#ready(end);
      if (!wasReady) throw backendUnavailable("Redis is away");
      try {
        return await this.#within(end, send(this.#client, isRepeat), begun);
      } catch (error) {
        const fault = classify(error);
        if (fault === "full") throw memoryFull("the memory of Redis is full: let jobs run, or purge some", error);
        if (fault === "other") throw error;
        const mayRepeat = fault === "refused" || repeatable;
        if (!mayRepeat || this.#isStopped || this.#clock.monotonic() + RETRY_MS >= end) {
          throw backendUnavailable("Redis did not answer", error);
        }
        isRepeat ||= fault === "broken";
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Whether the connection is ready, or becomes so in time. */
  async #ready(end: number): Promise<boolean> {
    while (!this.isReady && !this.#isStopped) {
      const left = end - this.#clock.monotonic();
      if (left <= 0) return false;
      await this.#pause(left);
    }
    return !this.#isStopped;
  }

  /** Waits so long, or until the connection is ready. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = this.#clock.setTimer(ms, wake);
      this.#waiting.add(wake);
    });
  }

  async #within<T>(end: number, answer: Promise<T>, begun: number): Promise<T> {
    const left = Math.max(0, end - this.#clock.monotonic());
    let isLate = false;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(left, () => {
        isLate = true;
        this.#awaySince = Math.min(begun, this.#awaySince ?? begun);
        reject(backendUnavailable("Redis does not answer"));
        // Later calls must not queue up behind this one; a connection that works again says so by being ready.
        this.#logger.warn({}, "Redis does not answer: connecting anew");
        this.#client.disconnect(true);
      });
      answer.then(resolve, reject).finally(() => !isLate && timer.cancel());
    });
  }
}

/**
 * What a failed call says of Redis. `refused`: it was not done, and may be tried again; `broken`: nobody knows; `full`:
 * the memory is; `other`: an error of ours.
 */
function classify(error: unknown): "refused" | "broken" | "full" | "other" {
  if (error instanceof TaskQueueError) return error.reason === "BACKEND_UNAVAILABLE" ? "broken" : "other";
  const { name = "", message = "", code = "" } = error as { name?: string; message?: string; code?: string };
  if (/^(-?OOM)\b/.test(message)) return "full";
  if (
    /^-?(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM)\b/.test(
      message,
    )
  ) {
    return "refused";
  }
  if (/isn't (writeable|ready)|No subscriber/.test(message)) return "refused";
  if (name === "MaxRetriesPerRequestError" || name === "ClusterAllFailedError" || name === "AbortError")
    return "broken";
  if (/Connection is closed|Too many Cluster redirections|Socket closed/i.test(message)) return "broken";
  return code !== "" && /^(E[A-Z]+)$/.test(code) ? "broken" : "other";
}
