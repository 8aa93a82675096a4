import { onTestFinished } from "vitest";
import type { Backend, BackendListener, BackendOptions } from "../../../src/core/backend.js";
import type { Change, ChangeBatch } from "../../../src/core/port/changes.js";
import type { FakeClock } from "../../support/fake-clock.js";

/** Options of a backend that a test opens. */
export interface ContractOptions extends BackendOptions {
  /** The number of changes that the change log keeps at least; a backend may keep some hundreds more. */
  readonly changeLogSize: number;
}

/** A started backend that only this test uses. It contains nothing but the default queue. */
export interface OpenedBackend {
  readonly backend: Backend;
  /** What its listener was told. */
  readonly heard: Recorder;
  /**
   * How far the time of the backend may run ahead of what `advance` set in the course of one test, ms. 0 when it stands
   * still in between; always below 100.
   */
  readonly slackMs: number;
  /** The time of the backend, ms since 1970. */
  now(): Promise<number>;
  /** Advances the time of the backend; does not call `tick`. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock of the backend alone, forward or (below 0) back; no time passes. */
  stepWall(ms: number): Promise<void>;
  /** Resolves when the listener has been told everything that the operations answered so far have done. */
  settled(): Promise<void>;
  /** Stops the backend and releases everything it uses. Idempotent. */
  close(): Promise<void>;
}

/** The time of a backend on a clock that stands still except for `advance`. */
export function timeOf(clock: FakeClock): Pick<OpenedBackend, "slackMs" | "now" | "advance" | "stepWall"> {
  return {
    slackMs: 0,
    now: async () => clock.now(),
    advance: (ms) => clock.advance(ms),
    stepWall: async (ms) => clock.stepWall(ms),
  };
}

/** Opens backends of one kind for the contract suite. Only the tests may call `tick`. */
export interface BackendHarness {
  open(options?: Partial<ContractOptions>): Promise<OpenedBackend>;
}

/** Opens a backend for the running test, which is closed at the end of the test. */
export type Open = (options?: Partial<ContractOptions>) => Promise<OpenedBackend>;

/** Returns the function that opens backends of this harness. */
export function openWith(harness: BackendHarness): Open {
  return async (options) => {
    const opened = await harness.open(options);
    onTestFinished(() => opened.close());
    return opened;
  };
}

/** Records what a listener is told, since the last `clear`. */
export class Recorder implements BackendListener {
  changesHeard: Change[] = [];
  /** Names of queues, in the order of the calls. */
  readyHeard: string[] = [];
  /** The types named with them, by queue; "any" where none was named. */
  readyTypesHeard = new Map<string, Set<string>>();
  dueHeard: number[] = [];
  queuesHeard = 0;
  resyncsHeard = 0;
  #wake: (() => void) | undefined;

  ready(queue: string, types?: readonly string[]): void {
    this.readyHeard.push(queue);
    const heard = this.readyTypesHeard.get(queue) ?? new Set();
    for (const type of types ?? ["any"]) heard.add(type);
    this.readyTypesHeard.set(queue, heard);
    this.#wake?.();
  }

  due(inMs: number): void {
    this.dueHeard.push(inMs);
  }

  changes({ changes }: ChangeBatch): void {
    this.changesHeard.push(...changes);
  }

  interrupted(): void {}

  queues(): void {
    this.queuesHeard++;
  }

  /** Resolves when `ready` has been called for this queue, and forgets that call. */
  async heardReady(name: string): Promise<void> {
    while (!this.readyHeard.includes(name)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.readyHeard = this.readyHeard.filter((each) => each !== name);
  }

  emptied(): void {}

  available(_isAvailable: boolean): void {}

  resync(): void {
    this.resyncsHeard++;
  }

  clear(): void {
    this.changesHeard = [];
    this.readyHeard = [];
    this.readyTypesHeard.clear();
    this.dueHeard = [];
    this.queuesHeard = 0;
  }
}
