import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import type { ChildEnd } from "../../supervisor/child-end.js";
import { programBeside } from "../../supervisor/program-beside.js";
import { createSupervisor } from "../../supervisor/supervisor.js";
import type { Environment } from "../config/env-reader.js";
import type { PagePart } from "../metrics/merge-pages.js";
import { disorderlyEnd, failedStart, refusedStart } from "./failed-start.js";
import type { FromStore, StoreArgument } from "./messages.js";
import { Questions } from "./questions.js";

const NAME = "the store process";

/** Dependencies of a store process. */
export interface StoreProcessDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** It has ended after its start, and not because it was to. */
  readonly lost: (end: ChildEnd) => void;
}

/** The process that keeps the jobs for those that serve, as the primary sees it. */
export interface StoreProcess {
  /** Where it listens. */
  readonly path: string;
  /** Its metrics, as told last. */
  readonly page: PagePart | undefined;
  /** Has it tell its metrics. Resolves when it has, or did not in time. */
  readPage(): Promise<void>;
  /** Ends it in order, once those that serve have ended; kills it after `graceMs`. Rejects when it did not end in order. Idempotent. */
  stop(graceMs: number): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/**
 * Starts the process that keeps the jobs, for so many `servers`. Resolves once it does. It listens in a new folder that only this user can enter. Rejects, with
 * nothing left, when it cannot start; see `startPrimary`. It is not started again when it ends: what is not in a file has gone with it,
 * and with a file whoever keeps this server running starts all of it again.
 */
export async function startStoreProcess(
  environment: Environment,
  servers: number,
  { clock, logger, lost }: StoreProcessDeps,
): Promise<StoreProcess> {
  const folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
  const path = join(folder, "store");
  const supervisor = createSupervisor(programBeside(import.meta.url, "store-main"), { clock, logger });
  let page: PagePart | undefined;
  let isReady = false;
  let isLost = false;
  let stopping: Promise<void> | undefined;
  /** How it ended; undefined: it runs. */
  let ended: ChildEnd | undefined;

  async function stop(graceMs: number): Promise<void> {
    await supervisor.stop(graceMs);
    await rm(folder, { recursive: true, force: true });
    // That it was lost has been told.
    const fault = ended && !isLost && disorderlyEnd(NAME, ended);
    if (fault) throw fault;
  }

  let settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  const started = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const listener = {
    ready() {
      isReady = true;
      settle?.resolve();
    },
    message(body: unknown) {
      const message = body as FromStore;
      if (message.kind === "answer") questions.hear(message);
      else settle?.reject(refusedStart(message));
    },
    ended(end: ChildEnd) {
      ended = end;
      questions.drop();
      settle?.reject(failedStart(NAME, end));
      if (!isReady || stopping !== undefined) return;
      isLost = true;
      lost(end);
    },
  };
  const env = { ...environment, PROCESSES: undefined };
  const argument: StoreArgument = { path, servers };
  const child = supervisor.add(listener, { args: [JSON.stringify(argument)], env, isIrreplaceable: true });
  const questions = new Questions(clock, (asking) => void child.send(asking));

  const store: StoreProcess = {
    path,
    get page() {
      return page;
    },
    async readPage() {
      page = (await questions.ask("page")) ?? page;
    },
    stop(graceMs) {
      stopping ??= stop(graceMs);
      return stopping;
    },
    kill: () => child.kill(),
  };
  try {
    await started;
  } catch (error) {
    await store.stop(0).catch(() => {});
    throw error;
  }
  return store;
}
