import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../core/clock.js";
import { errorText } from "../model/common/describe-error.js";
import type { Logger } from "../model/log/logger.js";
import { type ChildEnd, describeEnd } from "./child-end.js";
import type { FromChild, ToChild } from "./protocol.js";
import { restartDelay } from "./restart-backoff.js";

/** How many characters of a child's standard error are remembered. */
const LAST_WORDS = 4096;

/** How long the last words of a child that has ended are waited for, ms: a process of its own may hold its output open. */
const OUTPUT_MS = 250;

/** What the children of a supervisor run. */
export interface ChildProgram {
  /** Path of a module that calls `serveSupervisor`. */
  readonly path: string;
  readonly args?: readonly string[] | undefined;
  /** Options for Node, after those of this process. */
  readonly nodeOptions?: readonly string[] | undefined;
}

/** What sets a child apart from the others that run the same program. */
export interface ChildSelf {
  /** What lines of the log about it have. Default: nothing. */
  readonly fields?: object | undefined;
  /** Its arguments, after those of the program. */
  readonly args?: readonly string[] | undefined;
  /** Its environment, whole. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Whether no other one takes its place when it ends, as nothing can go on without what it had. Default: another one does. */
  readonly isIrreplaceable?: boolean | undefined;
}

/** Hears of a child. */
export interface ChildListener {
  /** It says that it is ready, after each of its starts. */
  ready?(): void;
  message?(body: unknown): void;
  /** Its process ended, or could not be started. Unless it is stopped, another one follows. */
  ended?(end: ChildEnd): void;
}

/** Dependencies of a child. */
export interface SupervisedChildDeps extends ChildSelf {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listener: ChildListener;
  /** Takes what it writes to its standard error. */
  readonly writeError: (chunk: Buffer) => void;
}

type State = "STARTING" | "READY" | "WAITING" | "STOPPING" | "STOPPED";

/**
 * Keeps one process running: when it ends, another one takes its place, the later the more often in a row that was of no use.
 *
 * | state    | process                       | moves to                                                          |
 * |----------|-------------------------------|-------------------------------------------------------------------|
 * | STARTING | started                       | READY: it says so; WAITING: it ended; STOPPING: `stop`            |
 * | READY    | at work                       | WAITING: it ended; STOPPING: `stop`                               |
 * | WAITING  | none                          | STARTING: the backoff is over; STOPPED: `stop`                    |
 * | STOPPING | told to end, killed if it does not | STOPPED: it ended                                            |
 * | STOPPED  | none                          |                                                                   |
 *
 * One that `isIrreplaceable` moves from STARTING or READY to STOPPED when it ends.
 */
export class SupervisedChild {
  readonly #program: ChildProgram;
  readonly #deps: SupervisedChildDeps;
  #state: State = "WAITING";
  #process: ChildProcess | undefined;
  /** Ends in a row without a `proved` between. */
  #failures = 0;
  #isKilled = false;
  #restart: Timer | undefined;
  #stopped: Promise<void> | undefined;
  #whenEnded: (() => void) | undefined;

  /** Starts the process. */
  constructor(program: ChildProgram, deps: SupervisedChildDeps) {
    this.#program = program;
    this.#deps = deps;
    this.#start();
  }

  get isReady(): boolean {
    return this.#state === "READY";
  }

  /** The id of its process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Sends it a message, of whatever can be cloned, and with it a connection, which is no longer this process's then. Dropped when its
   * process has ended: `ended` is called then. Returns false when that is known already; the connection is still this process's.
   */
  send(body: unknown, socket?: Socket): boolean {
    return this.#tell({ type: "message", body }, socket);
  }

  /** Call when it was of use: if it ends now, another one starts at once. */
  proved(): void {
    this.#failures = 0;
  }

  /** Ends its process at once, whatever it does; another one takes its place without delay. */
  kill(): void {
    this.#isKilled = true;
    this.#process?.kill("SIGKILL");
  }

  /** Tells its process to end, and kills it after `graceMs`. Resolves when it has ended, and none follows. Idempotent. */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#restart?.cancel();
    if (this.#process === undefined) {
      this.#state = "STOPPED";
      return;
    }
    this.#state = "STOPPING";
    const ended = new Promise<void>((resolve) => {
      this.#whenEnded = resolve;
    });
    const timer = this.#deps.clock.setTimer(graceMs, () => this.kill());
    this.#tell({ type: "stop" });
    await ended;
    timer.cancel();
  }

  #tell(message: ToChild, socket?: Socket): boolean {
    if (this.#process?.connected !== true) return false;
    // An error is told by `exit`; Node closes a connection that it could not send.
    this.#process.send(message, socket, undefined, () => {});
    return true;
  }

  #start(): void {
    const { path, args = [], nodeOptions = [] } = this.#program;
    const { args: ownArgs = [], env } = this.#deps;
    this.#state = "STARTING";
    this.#isKilled = false;
    const process_ = fork(path, [...args, ...ownArgs], {
      env: { ...(env ?? process.env) },
      execArgv: [...process.execArgv, ...nodeOptions],
      serialization: "advanced",
      // The last is the lifeline: see `LIFELINE_FD`.
      stdio: ["ignore", "inherit", "pipe", "ipc", "pipe"],
    });
    this.#process = process_;
    let lastWords = "";
    process_.stderr?.on("data", (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-LAST_WORDS);
      this.#deps.writeError(chunk);
    });
    process_.on("message", (message: FromChild) => this.#heard(message));
    const once = { done: false };
    const ended = (code: number | null, signal: NodeJS.Signals | null) => {
      if (once.done) return;
      once.done = true;
      this.#ended({ code, signal, lastWords });
    };
    process_.once("error", (error) => {
      // It could not be started; errors of a process that runs come with its end.
      if (process_.pid !== undefined) return;
      lastWords = errorText(error);
      ended(null, null);
    });
    process_.once("exit", (code, signal) => {
      const timer = this.#deps.clock.setTimer(OUTPUT_MS, () => ended(code, signal));
      process_.once("close", () => {
        timer.cancel();
        ended(code, signal);
      });
    });
  }

  #heard(message: FromChild): void {
    if (message.type === "message") this.#deps.listener.message?.(message.body);
    else if (this.#state === "STARTING") {
      this.#state = "READY";
      this.#deps.listener.ready?.();
    }
  }

  #ended(end: ChildEnd): void {
    this.#process = undefined;
    if (this.#state === "STOPPING") {
      this.#state = "STOPPED";
      this.#whenEnded?.();
    } else if (this.#deps.isIrreplaceable === true) {
      this.#state = "STOPPED";
    } else {
      if (!this.#isKilled) this.#failures++;
      this.#state = "WAITING";
      // The first end after it had been of use is no sign that it will end again.
      const delay = restartDelay(this.#failures - 1);
      if (!this.#isKilled) {
        const fields = { ...this.#deps.fields, how: describeEnd(end), restartsInMs: delay };
        this.#deps.logger.warn(fields, "a child process ended by itself; another takes its place");
      }
      this.#restart = this.#deps.clock.setTimer(delay, () => this.#start());
    }
    this.#deps.listener.ended?.(end);
  }
}
