import type { RunJob } from "../core/handler-runner.js";
import type { FromRun, Stray, ToRun } from "./messages.js";

/** Why a thread or process ended, in words: `it ran out of memory`. */
export interface PlaceEnd {
  readonly why: string;
}

/** A run in a thread or process. */
export interface HostedRun {
  /** Tells the handler something. Dropped when the run is over. */
  send(message: ToRun): void;
  /** Ends the thread or process at once, whatever it does; a run that has not begun is only forgotten. */
  kill(): void;
  /**
   * Resolves once the thread or process is free for another run, with undefined; or once it has ended, with why. All messages
   * of the run have been told before. Never rejects.
   */
  readonly over: Promise<PlaceEnd | undefined>;
}

/** What handlers run in, away from the server. */
export interface Host {
  /** What a run happens in: `thread` or `process`. */
  readonly place: string;
  /** Loads the handlers for the first time, and resolves to their types. Rejects with what is wrong with them. */
  start(): Promise<readonly string[]>;
  /** Runs the handler of a job where nothing else runs, as soon as there is such a place. */
  run(job: RunJob, hear: (message: FromRun) => void): HostedRun;
  /** Ends all threads or processes. Resolves when they have ended. Idempotent. */
  stop(): Promise<void>;
}

/** What is the same for all hosts. */
export interface HostOptions {
  /** Absolute path of the module of handlers. */
  readonly module: string;
  /** Most threads or processes. They are started as they are needed, and kept. */
  readonly size: number;
  /** Most bytes of the heap of each. Undefined: what Node takes. */
  readonly memoryBytes: number | undefined;
}

/** What a host tells apart from runs. */
export interface HostListener {
  stray(stray: Stray): void;
  /** A thread or process ended while no run was in it. */
  ended(end: PlaceEnd): void;
}
