import { calmLogger } from "../../core/calm-logger.js";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import { type ChildEnd, describeEnd } from "../../supervisor/child-end.js";
import { programBeside } from "../../supervisor/program-beside.js";
import { createSupervisor } from "../../supervisor/supervisor.js";
import type { Config } from "../config/config.js";
import type { Environment } from "../config/env-reader.js";
import { createConnectionMetrics } from "../http/connection-metrics.js";
import { type OpenPort, openTcpPort } from "../http/open-port.js";
import { createMeter } from "../metrics/meter.js";
import { urlOf } from "../url-of.js";
import { createDealer } from "./dealer.js";
import { disorderlyEnd, failedStart } from "./failed-start.js";
import type { Question, ServingArgument, ServingStart, Told } from "./messages.js";
import { createPageOfAll } from "./page-of-all.js";
import { ServingProcess, tellEachOther } from "./serving-process.js";
import { shareOut } from "./share-out.js";
import { type StoreProcess, startStoreProcess } from "./store-process.js";

/** What a process needs to end beyond SHUTDOWN_TIMEOUT, ms: it gives leases back, ends streams, and lets answers get out. */
const END_MS = 20_000;

/** What the process that keeps the jobs has to end, ms: it may have much to write. */
const STORE_END_MS = 30_000;

/** What those that did start have to end, ms, when another one could not. */
const FAILED_START_MS = 5000;

/** Dependencies of a primary. */
export interface PrimaryDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The processes of a server that has several. */
export interface Primary {
  /** The URL for clients. */
  readonly url: string;
  /** What each of them told when it started first. */
  readonly start: ServingStart;
  /**
   * Ends all in order: see `Server.stop`. Until the last one has ended its streams, calls are answered. Rejects when one did not end in
   * order. Idempotent.
   */
  stop(): Promise<void>;
  /** Ends all at once. */
  kill(): void;
  /** Resolves, with why, when the server cannot go on: the process that keeps the jobs has ended. Then it is to be stopped. */
  readonly lost: Promise<Error>;
}

/**
 * Starts the processes of a server behind one port, and keeps them running: one that ends is started again. Unless a Redis keeps the
 * jobs, one more process does, for all of them. Resolves once all of them serve. Rejects, with none left, when the port cannot be opened or one of them cannot start; with a `ConfigError` or a
 * `StartRefused` where that says why. `environment` is what they read their configuration from.
 */
export async function startPrimary(config: Config, environment: Environment, deps: PrimaryDeps): Promise<Primary> {
  const { clock, logger } = deps;
  const { processes } = config;
  const startedAt = clock.now();
  const meter = createMeter();
  const observer = createConnectionMetrics(meter, calmLogger(logger, clock));
  const dealer = createDealer(config.connections, { clock, observer });
  const supervisor = createSupervisor(programBeside(import.meta.url, "serving-main"), { clock, logger });
  const all: ServingProcess[] = [];
  const ends = meter
    .counter("gotaskq_process_ends_total", "Serving processes that ended by themselves; each was started again.", {
      tellsZeros: true,
    })
    .series({});
  meter.gauge(
    "gotaskq_processes",
    "Processes that serve the port now.",
    () => all.filter((one) => one.isServing).length,
  );
  const page = createPageOfAll({
    own: async () => ({ body: await meter.write(), across: meter.across() }),
    read: async () => void (await Promise.all([store, ...all].map((one) => one?.readPage()))),
    parts: () => [store, ...all].flatMap((one) => one?.page ?? []),
  });

  let port: OpenPort | undefined;
  let store: StoreProcess | undefined;
  let tellLost: (error: Error) => void = () => {};
  const lost = new Promise<Error>((resolve) => {
    tellLost = resolve;
  });
  let stopping: Promise<void> | undefined;
  /** Why the end is not one in order. */
  let fault: Error | undefined;

  // First of all, so that nothing is started where the port is taken. Connections wait until they can be dealt.
  port = await openTcpPort(
    config.port,
    config.host,
    { taken: (socket) => dealer.deal(socket), failed: observer.acceptFailed },
    true,
  );

  function closePort(): void {
    void port?.close();
    port = undefined;
    dealer.end();
  }

  /** Something has changed of the processes. At the end, none is left that could take connections. */
  function changed(): void {
    tellEachOther(all);
    if (stopping !== undefined && !dealer.hasSeats) closePort();
  }

  async function workersBut(asker: ServingProcess): Promise<Told["workers"]> {
    const told = await Promise.all(all.map((one) => (one === asker ? undefined : one.workers())));
    return told.flatMap((workers) => workers ?? []);
  }

  function add(index: number): Promise<ServingStart> {
    const fields = { process: index + 1 };
    return new Promise((resolve, reject) => {
      let hasServed = false;
      const self = {
        fields,
        args: [
          JSON.stringify({
            index,
            processes,
            startedAt,
            ...(store && { sharedStore: store.path }),
          } satisfies ServingArgument),
        ],
        env: shareOut(environment, config, index),
      };
      const one: ServingProcess = new ServingProcess(supervisor, self, clock, dealer, {
        serving(start) {
          if (hasServed) logger.info({ ...fields, pid: one.pid }, "a serving process was started again");
          hasServed = true;
          resolve(start);
          changed();
        },
        refused(error) {
          if (hasServed) logger.error({ ...fields, err: error }, "a serving process cannot be started again");
          reject(error);
        },
        changed,
        ended(end, told) {
          if (told !== undefined) page.ended(told);
          reject(failedStart(nameOf(index), end));
          noteEnd(index, end);
          changed();
        },
        async tell<Q extends Question>(what: Q) {
          const told = {
            page: async () => ({ body: await page.make(), across: {} }),
            workers: () => workersBut(one),
          };
          return (await told[what]()) as Told[Q];
        },
        failed: (error) => logger.error({ ...fields, err: error }, "a serving process could not be answered"),
      });
      all.push(one);
    });
  }

  function noteEnd(index: number, end: ChildEnd): void {
    if (stopping === undefined) ends.value++;
    else fault ??= disorderlyEnd(nameOf(index), end);
  }

  function stop(graceMs: number): Promise<void> {
    stopping ??= stopAll(graceMs);
    return stopping;
  }

  async function stopAll(graceMs: number): Promise<void> {
    await supervisor.stop(graceMs);
    closePort();
    await store?.stop(STORE_END_MS);
    if (fault !== undefined) throw fault;
  }

  const { address } = port;
  try {
    if (config.redis === undefined) {
      store = await startStoreProcess(environment, processes, {
        clock,
        logger,
        lost(end) {
          for (const one of all) one.tellLost();
          tellLost(new Error(`the process that keeps the jobs has ended: ${describeEnd(end)}`));
        },
      });
    }
    const starts = await Promise.all(Array.from({ length: processes }, (_, index) => add(index)));
    return {
      url: urlOf(address, config.tls !== undefined),
      start: starts[0] as ServingStart,
      stop: () => stop(config.shutdownTimeoutMs + END_MS),
      kill() {
        for (const one of [...all, store]) one?.kill();
      },
      lost,
    };
  } catch (error) {
    await stop(FAILED_START_MS).catch(() => {});
    throw error;
  }
}

function nameOf(index: number): string {
  return `process ${index + 1}`;
}
