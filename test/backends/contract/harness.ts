import { onTestFinished } from "vitest";
import type { Backend, BackendListener, BackendOptions, Change, ChangeBatch } from "../../../src/core/backend.js";

/** What a test may set of the backend it opens. */
export interface ContractOptions extends BackendOptions {
  /** Changes that are surely kept in the change log; a backend may keep some hundreds more. */
  readonly changeLogSize: number;
}

/** A backend that a test has for itself: started, with nothing in it but the default queue. */
export interface OpenedBackend {
  readonly backend: Backend;
  /** What its listener was told. */
  readonly heard: Recorder;
  /**
   * How far the time of the backend may creep ahead of what `advance` told it in the course of one test, ms: 0 when it
   * stands still in between. Must be below 100.
   */
  readonly slackMs: number;
  /** The time of the backend, ms since 1970. */
  now(): Promise<number>;
  /** Moves the time of the backend on; calls no `tick`. */
  advance(ms: number): Promise<void>;
  /** Resolves when the listener was told all that the operations answered so far have done. */
  settled(): Promise<void>;
  /** Stops the backend and lets go of everything; idempotent. */
  close(): Promise<void>;
}

/** Makes backends of one kind for the contract suite. `tick` must be called by nobody but the tests. */
export interface BackendHarness {
  open(options?: Partial<ContractOptions>): Promise<OpenedBackend>;
}

/** Opens a backend for the running test; it is closed at the end of the test. */
export type Open = (options?: Partial<ContractOptions>) => Promise<OpenedBackend>;

/** Opens backends of this harness for tests. */
export function openWith(harness: BackendHarness): Open {
  return async (options) => {
    const opened = await harness.open(options);
    onTestFinished(() => opened.close());
    return opened;
  };
}

/** What a listener was told, since the last `clear`. */
export class Recorder implements BackendListener {
  changesHeard: Change[] = [];
  /** Names of queues, in the order of the calls. */
  readyHeard: string[] = [];
  dueHeard: number[] = [];
  queuesHeard = 0;
  resyncsHeard = 0;
  #wake: (() => void) | undefined;

  ready(queue: string): void {
    this.readyHeard.push(queue);
    this.#wake?.();
  }

  due(inMs: number): void {
    this.dueHeard.push(inMs);
  }

  changes({ changes }: ChangeBatch): void {
    this.changesHeard.push(...changes);
  }

  queues(): void {
    this.queuesHeard++;
  }

  /** Resolves when `ready` was called for this name, which is then forgotten. */
  async heardReady(name: string): Promise<void> {
    while (!this.readyHeard.includes(name)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.readyHeard = this.readyHeard.filter((each) => each !== name);
  }

  available(): void {}

  resync(): void {
    this.resyncsHeard++;
  }

  clear(): void {
    this.changesHeard = [];
    this.readyHeard = [];
    this.dueHeard = [];
    this.queuesHeard = 0;
  }
}
