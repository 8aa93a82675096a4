import type { Clock } from "../../core/clock.js";
import type { ProcessLog } from "../../server/log/process-log.js";
import { describeEnd } from "../../supervisor/child-end.js";
import { programBeside } from "../../supervisor/program-beside.js";
import { createSupervisor } from "../../supervisor/supervisor.js";
import { CommandError } from "../command-error.js";
import { type ChildArgument, shareOfConcurrency, type WorkSettings } from "./work-settings.js";

/** What a child needs to end beyond the time for running handlers, ms: it tells their ends, and gives leases back. */
const END_MS = 20_000;

/** What a child tells its parent. */
export type FromWorker =
  | { readonly kind: "started"; readonly types: readonly string[] }
  /** It cannot start, and would not the next time either. */
  | { readonly kind: "refused"; readonly text: string; readonly exitCode: number };

/** Worker processes that are kept running. */
export interface WorkerProcesses {
  /** Resolves to the types that they take, once all have begun. Rejects, with none left, when one of them cannot. */
  readonly started: Promise<readonly string[]>;
  /** Ends all in order. Idempotent. */
  stop(): Promise<void>;
}

/** Starts several workers, each in a process of its own; one that dies is started again. */
export function startWorkers(
  settings: WorkSettings,
  {
    processes,
    variables,
    log,
    clock,
  }: {
    readonly processes: number;
    readonly variables: Readonly<Record<string, string>>;
    readonly log: ProcessLog;
    readonly clock: Clock;
  },
): WorkerProcesses {
  const supervisor = createSupervisor(programBeside(import.meta.url, "worker-main"), { clock, logger: log.life });
  const stop = () => supervisor.stop(settings.stopTimeoutMs + END_MS);

  function add(at: number): Promise<readonly string[]> {
    const number = at + 1;
    const argument: ChildArgument = {
      number,
      settings: { ...settings, concurrency: shareOfConcurrency(settings.concurrency, processes, at) },
    };
    return new Promise((resolve, reject) => {
      let hasStarted = false;
      const child = supervisor.add(
        {
          message(body) {
            const told = body as FromWorker;
            if (told.kind === "refused") {
              if (hasStarted) log.life.error({ process: number }, `a worker cannot be started again: ${told.text}`);
              reject(new CommandError(told.text, told.exitCode));
              return;
            }
            child.proved();
            if (hasStarted) log.life.info({ process: number, pid: child.pid }, "a worker was started again");
            hasStarted = true;
            resolve(told.types);
          },
          ended(end) {
            // Before its first start nobody knows whether another try would help.
            reject(new CommandError(`worker ${number} ended before it began: ${describeEnd(end)}`));
          },
        },
        {
          fields: { process: number },
          args: [JSON.stringify(argument)],
          env: { ...process.env, ...variables },
        },
      );
    });
  }

  const started = Promise.all(Array.from({ length: processes }, (_, at) => add(at))).then(
    (types) => types[0] ?? [],
    async (error) => {
      await stop();
      throw error;
    },
  );
  return { started, stop };
}
