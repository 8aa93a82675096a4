import type { WorkerInfo } from "../../core/remote/worker-info.js";
import type { StorageDeps } from "../../storage.js";
import type { PortOpener } from "../http/open-port.js";
import type { PagePart } from "../metrics/merge-pages.js";

/** What a server tells the other processes behind its port. */
export interface SiblingAnswers {
  page(): Promise<PagePart>;
  workers(): readonly WorkerInfo[];
}

/** What a server that is one of several processes behind one port has to do with the others. */
export interface Siblings {
  /** Which one it is, from 0 on. */
  readonly index: number;
  /** How many there are. */
  readonly processes: number;
  /** Connects to the one that keeps the jobs for all; undefined: a Redis does. */
  readonly connect: StorageDeps["connect"];
  /** Opens its part of the port: connections are dealt to it. The address is the one that was asked for. */
  readonly openPort: PortOpener;
  /** How long all of them had been running when this process started, ms. */
  readonly ranMs: number;
  /** Tells whether this one can reach what keeps the jobs. */
  available(isAvailable: boolean): void;
  /** Calls `changed` with whether all others that serve can, when that changes. */
  onOthersAvailable(changed: (areAvailable: boolean) => void): void;
  /** Answers the others from now on. */
  answer(answers: SiblingAnswers): void;
  /** The metrics page of all. Rejects when it cannot be had. */
  page(): Promise<string>;
  /** The workers of the others; those of one that stands still are missing. */
  workers(): Promise<readonly WorkerInfo[]>;
}
