import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { connectSharedStore } from "../../../src/backends/shared/shared-backend.js";
import { eventually, within } from "../../support/wait.js";
import type { Contender, OpenContender } from "../contender.js";
import { cpuOfThis } from "../cpu.js";
import { check, type Figure, report } from "../figures.js";
import { openOn } from "../gotaskq.js";
import { loadFrom } from "../load.js";
import { type BenchProcess, startProgram } from "../processes.js";

// A store in memory that another process holds, beside one in this process: the library, with jobs of 100 bytes that do nothing. Rates
// depend on the cores that are there; how many servers a store carries is told by the CPU that it takes for a job.

const CALLERS = 64;
const SLOTS = 100;
const JOBS = 60_000;
const LONE = 20_000;
/** Jobs that each of several servers creates before it is measured. */
const WARM = 2000;

const folder = mkdtempSync(join(tmpdir(), "gotaskq-bench-"));
const path = join(folder, "store");

/** Seconds of CPU that the process of the store has used. */
async function cpuOf(store: BenchProcess): Promise<number> {
  const line = store.line(/^cpu (\S+)/);
  store.child.kill("SIGUSR2");
  return Number(await line);
}

interface Load {
  readonly name: string;
  readonly jobs: number;
  readonly slots: number;
  readonly run: (contender: Contender, jobs: number) => Promise<void>;
}

const loads: readonly Load[] = [
  {
    name: `create, ${CALLERS} callers`,
    jobs: JOBS,
    slots: 0,
    run: async (contender, jobs) => void (await loadFrom(CALLERS, jobs, () => contender.create())),
  },
  {
    name: `create and run, ${CALLERS} callers, ${SLOTS} slots`,
    jobs: JOBS,
    slots: SLOTS,
    async run(contender, jobs) {
      const done = contender.done(jobs);
      await contender.work();
      await loadFrom(CALLERS, jobs, () => contender.create());
      await within(done, "the last job", 60_000);
    },
  },
  {
    name: "create and run, 1 caller",
    jobs: LONE,
    slots: SLOTS,
    async run(contender, jobs) {
      const done = contender.done(jobs);
      await contender.work();
      await loadFrom(1, jobs, () => contender.create());
      await within(done, "the last job", 60_000);
    },
  },
];

/** Figures of a load; `store`: the process that holds the store, if another does. */
async function measure(place: string, open: OpenContender, load: Load, store?: BenchProcess): Promise<Figure[]> {
  const { name, jobs, slots, run } = load;
  const contender = await open(slots);
  const [stored, here, start] = [store && (await cpuOf(store)), cpuOfThis(), performance.now()];
  await run(contender, jobs);
  const seconds = (performance.now() - start) / 1000;
  const used = cpuOfThis() - here;
  const ofStore = store && (await cpuOf(store)) - (stored ?? 0);
  const { waiting, done } = await contender.counts();
  check((slots > 0 ? done : waiting) === jobs, "not all jobs were created, or run");
  await contender.close();
  return [
    { name: `${place}: ${name}`, value: jobs / seconds, unit: "jobs/s" },
    { name: `${place}: CPU of this process`, value: (used / jobs) * 1e6, unit: "us/job" },
    ...(ofStore === undefined
      ? []
      : [{ name: `${place}: CPU of the store`, value: (ofStore / jobs) * 1e6, unit: "us/job" }]),
  ];
}

/** Figures of so many processes that create and run jobs on one store at the same time. */
async function measureServers(store: BenchProcess, count: number): Promise<Figure[]> {
  const env = { JOBS: String(JOBS / count), CALLERS: String(CALLERS), SLOTS: String(SLOTS), WARM: String(WARM) };
  const servers = Array.from({ length: count }, () => startProgram("shared-server", [path], env));
  await Promise.all(servers.map((server) => server.line(/^ready/)));
  const watcher = await openOn((deps) => connectSharedStore(deps, { path }), 0);
  const isOver = async (jobs: number) => {
    const { waiting, done } = await watcher.counts();
    return (waiting === 0 && done === jobs) || undefined;
  };
  const warm = WARM * count;
  await eventually(() => isOver(warm), "the last job before it begins");
  const before = await cpuOf(store);
  const used = (await Promise.all(servers.map(cpuOf))).reduce((sum, each) => sum + each, 0);
  await eventually(() => isOver(warm + JOBS), "the last job");
  const ofStore = (await cpuOf(store)) - before;
  await watcher.close();
  await Promise.all(servers.map((server) => server.end()));
  return [
    { name: `${count} servers, create and run: CPU of all of them`, value: (used / JOBS) * 1e6, unit: "us/job" },
    { name: `${count} servers, create and run: CPU of the store`, value: (ofStore / JOBS) * 1e6, unit: "us/job" },
  ];
}

/** Has a new store for a measurement. */
async function withStore(use: (store: BenchProcess) => Promise<Figure[]>): Promise<Figure[]> {
  const store = startProgram("shared-store", [path]);
  try {
    await store.line(/^ready/);
    return await use(store);
  } finally {
    await store.end();
  }
}

const figures: Figure[] = [];
try {
  for (const load of loads) {
    figures.push(...(await measure("memory", (slots) => openOn((deps) => createMemoryBackend(deps), slots), load)));
    const onStore: OpenContender = (slots) => openOn((deps) => connectSharedStore(deps, { path }), slots);
    figures.push(...(await withStore((store) => measure("shared", onStore, load, store))));
  }
  for (const count of [1, 8]) figures.push(...(await withStore((store) => measureServers(store, count))));
  report(figures);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
