import type { Clock } from "../../core/clock.js";
import type { RunJob } from "../../core/handler-runner.js";
import type { Logger } from "../../model/log/logger.js";
import { describeEnd } from "../../supervisor/child-end.js";
import { programBeside } from "../../supervisor/program-beside.js";
import type { ChildProgram, SupervisedChild } from "../../supervisor/supervised-child.js";
import { createSupervisor } from "../../supervisor/supervisor.js";
import type { Host, HostedRun, HostListener, HostOptions, PlaceEnd } from "../host.js";
import type { FromRun, ToRun } from "../messages.js";
import type { FromProcess, ToProcess } from "./process-messages.js";

/** How long a child has to end by itself at the end, ms. It has no run then that anybody waits for. */
const STOP_MS = 500;

/** Dependencies of a process host. */
export interface ProcessHostDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listener: HostListener;
}

/** A run, from its call until it is over. */
class ProcessRun implements HostedRun {
  readonly job: RunJob;
  readonly hear: (message: FromRun) => void;
  readonly over: Promise<PlaceEnd | undefined>;
  /** Where it runs; undefined while it waits, and once it is over. */
  #child: SupervisedChild | undefined;
  readonly #forget: (run: ProcessRun) => void;
  #resolve: (end: PlaceEnd | undefined) => void = () => {};

  constructor(job: RunJob, hear: (message: FromRun) => void, forget: (run: ProcessRun) => void) {
    this.job = job;
    this.hear = hear;
    this.#forget = forget;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Runs it in this child. */
  begin(child: SupervisedChild): void {
    this.#child = child;
    child.send({ kind: "run", job: this.job } satisfies ToProcess);
  }

  send(message: ToRun): void {
    this.#child?.send({ kind: "to-run", message } satisfies ToProcess);
  }

  kill(): void {
    if (this.#child !== undefined) {
      this.#child.kill();
      return;
    }
    this.#forget(this);
    this.end({ why: "it did not begin" });
  }

  end(end: PlaceEnd | undefined): void {
    this.#child = undefined;
    this.#resolve(end);
  }
}

/** A child, for one run at a time. */
interface Place {
  take(run: ProcessRun): void;
}

/** Runs handlers in child processes, under a supervisor. */
export function createProcessHost(options: HostOptions, { clock, logger, listener }: ProcessHostDeps): Host {
  const supervisor = createSupervisor(programOf(options), { clock, logger });
  /** Those that could run a handler now. */
  const free: Place[] = [];
  /** Runs without a child, in the order of their calls. */
  const waiting: ProcessRun[] = [];
  /** Children that are about to be free. */
  let starting = 0;
  let isStopped = false;

  /** Starts a child; `first` hears how its first start went. */
  function add(first: { loaded(types: readonly string[]): void; failed(why: string): void }): void {
    let run: ProcessRun | undefined;
    let isLoaded = false;
    let why: string | undefined;

    const place: Place = {
      take(next) {
        run = next;
        next.begin(child);
      },
    };

    function assign(): void {
      run = undefined;
      const next = waiting.shift();
      if (next === undefined) free.push(place);
      else place.take(next);
    }

    const child = supervisor.add({
      ready() {
        isLoaded = true;
        starting--;
        assign();
      },
      message(body) {
        const message = body as FromProcess;
        if (message.kind === "from-run") run?.hear(message.message);
        else if (message.kind === "loaded") first.loaded(message.types);
        else if (message.kind === "unloadable") why = message.error;
        else if (message.kind === "stray") listener.stray(message);
        else if (message.kind === "free") {
          child.proved();
          run?.end(undefined);
          assign();
        }
      },
      ended(end) {
        const ending = { why: why ?? describeEnd(end) };
        why = undefined;
        remove(free, place);
        if (isLoaded) run?.end(ending);
        else {
          first.failed(ending.why);
          // Or they would wait for as long as the handlers cannot be loaded.
          waiting.shift()?.end(ending);
        }
        if (isLoaded) starting++;
        run = undefined;
        isLoaded = false;
      },
    });
    starting++;
  }

  return {
    place: "process",
    start: () =>
      new Promise((resolve, reject) => {
        add({ loaded: resolve, failed: (why) => reject(new Error(why)) });
      }),
    run(job, hear) {
      const run = new ProcessRun(job, hear, (forgotten) => remove(waiting, forgotten));
      const place = free.pop();
      if (place !== undefined) {
        place.take(run);
      } else {
        waiting.push(run);
        const isOneMissing = waiting.length > starting && supervisor.children.length < options.size;
        if (isOneMissing && !isStopped) add({ loaded() {}, failed() {} });
      }
      return run;
    },
    async stop() {
      isStopped = true;
      for (const run of waiting.splice(0)) run.end({ why: "the server is shutting down" });
      await supervisor.stop(STOP_MS);
    },
  };
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

/** What each child runs. */
function programOf({ module, memoryBytes }: HostOptions): ChildProgram {
  const { path, nodeOptions = [] } = programBeside(import.meta.url, "process-main");
  const limit = memoryBytes === undefined ? [] : [`--max-old-space-size=${Math.ceil(memoryBytes / 2 ** 20)}`];
  return { path, args: [module], nodeOptions: [...limit, ...nodeOptions] };
}
