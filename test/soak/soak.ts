import { type ChildProcess, spawn } from "node:child_process";
import { once, setMaxListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRandom } from "../chaos/random.js";
import { startRedis } from "../support/redis-server.js";
import { within } from "../support/wait.js";
import { habitsOfAttackers } from "./attackers.js";
import { type Crowd, live } from "./crowd.js";
import { type Holding, type SoakServer, startSoakServer } from "./server.js";
import { type Allowance, growthOf, isGrowing, median, percentile } from "./trend.js";
import { createSteadyClient, habitsOfUsers, QUEUES } from "./users.js";

const GOOD_CLIENT = fileURLToPath(new URL("./good-client.ts", import.meta.url));
const CONTROL = fileURLToPath(new URL("./control.mjs", import.meta.url));
const TOKEN = "token-of-the-soak-run";

/** Where the server keeps its jobs. */
export type Store = "memory" | "file" | "redis";
export const STORES: readonly Store[] = ["memory", "file", "redis"];

/** Options of a run on one store. */
export interface SoakOptions {
  readonly store: Store;
  /** How long it takes, ms. */
  readonly durationMs: number;
  readonly seed: number;
  /** What the 99th percentile of the good client may have beside five times what is quiet, ms. */
  readonly floorMs: number;
  /** How many times more than usual all else may grow: 1, and more for a run too short to tell. */
  readonly slack: number;
  readonly log: (line: string) => void;
}

/** One figure of a report. */
export interface SoakFigure {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly unit: string;
  /** What it must not exceed, in words. */
  readonly bound: string;
  readonly isBad: boolean;
}

/** The result of a run. */
export interface SoakReport {
  readonly figures: readonly SoakFigure[];
  /** How often each habit was lived, and how often it was refused or failed. */
  readonly done: Crowd["done"];
  /** Everything that must not happen and did. */
  readonly violations: readonly string[];
}

/** How long the good client has the server for itself, and how long everybody has to come, as shares of the whole. */
const QUIET_SHARE = 0.08;
const WARM_UP_SHARE = 0.3;

/** Times that what the server holds is looked at, once it is warm. */
const SAMPLES = 24;

/** How long the server has to let go of what everybody left, ms. */
const LEAVE_MS = 15_000;

const MIB = 2 ** 20;
const GROWTH: Readonly<Record<"resident" | "heap" | "files" | "resources", Allowance>> = {
  resident: { share: 0.25, floor: 40 * MIB },
  heap: { share: 0.25, floor: 16 * MIB },
  files: { share: 0.5, floor: 50 },
  resources: { share: 0.5, floor: 50 },
};

/** What may be left open beyond what was there before everybody came. */
const LEFT_OPEN = 8;

/** Short times to keep things, so that a server is full of them before it is looked at. */
const ENVIRONMENT = {
  QUEUES: QUEUES.join(","),
  AUTH_TOKENS: `name=soak token=${TOKEN} scopes=admin`,
  LOG_LEVEL: "error",
  COMPLETE_JOB_TTL: "2s",
  MAX_COMPLETED_JOBS: "500",
  CHANGE_LOG_SIZE: "5000",
  LEASE_DURATION: "5s",
  BASE_DELAY: "20",
  REQUEST_TIMEOUT: "10s",
};

/** Starts a place for jobs; resolves to the variables that name it, and to what removes it. */
async function openStore(store: Store): Promise<{ readonly env: Record<string, string>; close(): Promise<void> }> {
  if (store === "redis") {
    const redis = await startRedis();
    return { env: { USE_REDIS: "true", REDIS_URL: redis.url }, close: () => redis.dispose() };
  }
  if (store === "memory") return { env: {}, close: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-soak-"));
  return { env: { DATA_DIR: folder }, close: async () => rmSync(folder, { recursive: true, force: true }) };
}

/** How long calls took, ms: to the server under test, and to one that does nothing. */
interface Waits {
  readonly times: readonly number[];
  readonly controls: readonly number[];
}

/** The good client. */
interface GoodClient {
  /** What it has told since it was asked before. */
  take(): Waits;
  /** Does something while it makes no calls. */
  resting<T>(act: () => Promise<T>): Promise<T>;
  end(): void;
}

async function startGoodClient(url: string, failed: (why: string) => void): Promise<GoodClient> {
  const control = spawn(process.execPath, [CONTROL], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const child: { current: ChildProcess | undefined } = { current: undefined };
  const end = () => {
    control.kill("SIGKILL");
    child.current?.kill("SIGKILL");
  };
  process.once("exit", end);
  const [printed] = await once(control.stdout as Readable, "data");
  child.current = spawn(process.execPath, ["--import", "tsx", GOOD_CLIENT, url, String(printed).trim(), TOKEN], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let told: { times: number[]; controls: number[] } = { times: [], controls: [] };
  let isOver = false;
  child.current.on("message", (message: Partial<Waits> & { readonly error?: string }) => {
    if (message.error !== undefined && !isOver) failed(`the good client: ${message.error}`);
    told.times.push(...(message.times ?? []));
    told.controls.push(...(message.controls ?? []));
  });
  const good = child.current;
  return {
    async resting(act) {
      const rests = new Promise<void>((resolve) => {
        const hear = (message: { readonly rests?: boolean }) => {
          if (message.rests !== true) return;
          good.off("message", hear);
          resolve();
        };
        good.on("message", hear);
      });
      good.send("rest");
      await within(rests, "the rest of the good client", 30_000);
      try {
        return await act();
      } finally {
        good.send("go on");
      }
    },
    take() {
      const taken = told;
      told = { times: [], controls: [] };
      return taken;
    },
    end() {
      isOver = true;
      process.off("exit", end);
      end();
    },
  };
}

/**
 * Lets everybody use a server at the same time, well and badly, and looks at what it holds and how long it takes to answer one good
 * client. Neither may grow, and the good client must stay near what it has from a quiet server. When all have left, nothing may be left of them.
 */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { store, durationMs, seed, log } = options;
  const violations: string[] = [];
  const violation = (text: string) => {
    if (violations.length < 50 && !violations.includes(text)) violations.push(text);
  };
  const leave = new AbortController();
  setMaxListeners(0, leave.signal);
  const place = await openStore(store);
  let server: SoakServer | undefined;
  let good: GoodClient | undefined;
  try {
    server = await startSoakServer({ ...ENVIRONMENT, ...place.env });
    good = await startGoodClient(server.url, violation);
    const quietMs = durationMs * QUIET_SHARE;
    await sleep(quietMs / 2 + 1000);
    good.take();
    await sleep(quietMs / 2 + 1000);
    const quiet = good.take();
    const before = await server.holding();
    log(`${store}: quiet, the good client waits ${ms(percentile(quiet.times, 0.99))}; now everybody comes`);

    const random = createRandom(seed);
    const crowd: Crowd = { url: server.url, token: TOKEN, random, signal: leave.signal, done: new Map(), violation };
    const steady = createSteadyClient(crowd);
    const habits = [...habitsOfUsers(crowd, steady), ...habitsOfAttackers(crowd)];
    const staying = new Set(habits.map(({ name }) => name));
    const lives = habits.map((habit) => live(crowd, habit).finally(() => staying.delete(habit.name)));
    await sleep(durationMs * WARM_UP_SHARE);
    good.take();
    const held: Holding[] = [];
    const waits: Waits[] = [];
    const everyMs = (durationMs * (1 - QUIET_SHARE - WARM_UP_SHARE)) / SAMPLES;
    for (let sample = 0; sample < SAMPLES && server.isAlive; sample++) {
      await sleep(everyMs);
      waits.push(good.take());
      // It collects garbage, and answers nobody meanwhile.
      held.push(await good.resting(server.holding));
    }
    leave.abort();
    await Promise.race([Promise.all(lives), sleep(LEAVE_MS)]);
    if (staying.size > 0) violation(`calls that never end: ${[...staying].join(", ")}`);
    steady.close();
    log(`${store}: everybody has left`);
    const after = await settled(server, before);
    good.end();
    const figures = judge(options, { quiet, waits, held, before, after });
    if (server.isAlive) {
      const code = await server.stop();
      if (code !== 0) violation(`the server ended with ${code}`);
    } else violation("the server has ended by itself");
    for (const line of server.errors) violation(`the log says: ${line.slice(0, 500)}`);
    for (const { name, bound, isBad } of figures) if (isBad) violation(`${name} is not within ${bound}`);
    return { figures, done: crowd.done, violations };
  } finally {
    leave.abort();
    good?.end();
    server?.kill();
    await place.close();
  }
}

/** What the server holds once it has let go of those who left; as it is after a while at the latest. */
async function settled(server: SoakServer, before: Holding): Promise<Holding> {
  const end = performance.now() + LEAVE_MS;
  for (;;) {
    const now = await server.holding();
    const isLeft = now.files <= before.files + LEFT_OPEN && countOf(now) <= countOf(before) + LEFT_OPEN;
    if (isLeft || performance.now() > end) return now;
    await sleep(500);
  }
}

function countOf({ resources }: Holding): number {
  return Object.values(resources).reduce((sum, count) => sum + count, 0);
}

/** What was seen in a run. */
interface Seen {
  readonly quiet: Waits;
  readonly waits: readonly Waits[];
  readonly held: readonly Holding[];
  readonly before: Holding;
  readonly after: Holding;
}

function judge({ floorMs, slack }: SoakOptions, { quiet, waits, held, before, after }: Seen): SoakFigure[] {
  const times = (some: readonly Waits[]) => some.flatMap((one) => one.times);
  const all = times(waits);
  const [early, late] = [times(waits.slice(0, waits.length / 2)), times(waits.slice(waits.length / 2))];
  const control = percentile(
    waits.flatMap(({ controls }) => controls),
    0.99,
  );
  const p99 = [percentile(quiet.times, 0.99), percentile(all, 0.99)] as const;
  // Everybody runs on this machine: a server that does nothing is slow beside them, too.
  const most = 5 * Math.max(p99[0], control) + floorMs;
  const mostLater = 2 * percentile(early, 0.99) + floorMs;
  const growing = (name: string, unit: string, of: (holding: Holding) => number, usual: Allowance, scale = 1) => {
    const allowance = { share: usual.share * slack, floor: usual.floor * slack };
    const values = held.map(of);
    const middle = median(values);
    const growth = growthOf(values);
    return {
      ...{ name: `${name}, beside everybody`, unit, isBad: isGrowing(values, allowance) },
      from: (middle - growth / 2) / scale,
      to: (middle + growth / 2) / scale,
      bound: `${allowance.share * 100} % or ${allowance.floor / scale} ${unit} more`,
    };
  };
  return [
    {
      ...{ name: "good client, p50, quiet and not", from: median(quiet.times), to: median(all), unit: "ms" },
      ...{ bound: "anything", isBad: false },
    },
    {
      ...{ name: "a server that does nothing, p99", from: percentile(quiet.controls, 0.99), to: control, unit: "ms" },
      ...{ bound: "anything", isBad: false },
    },
    {
      ...{ name: "good client, p99, quiet and not", from: p99[0], to: p99[1], unit: "ms" },
      ...{ bound: `5 times that, or that of a server that does nothing, and ${floorMs} ms`, isBad: !(p99[1] <= most) },
    },
    {
      ...{ name: "good client, p99, first and second half", from: percentile(early, 0.99), to: percentile(late, 0.99) },
      ...{ unit: "ms", bound: `twice and ${floorMs} ms`, isBad: !(percentile(late, 0.99) <= mostLater) },
    },
    growing("resident memory", "MiB", ({ residentBytes }) => residentBytes, GROWTH.resident, MIB),
    growing("heap after collection", "MiB", ({ heapBytes }) => heapBytes, GROWTH.heap, MIB),
    growing("open files", "", ({ files }) => files, GROWTH.files),
    growing("resources of the event loop", "", countOf, GROWTH.resources),
    {
      ...{ name: "open files, before and after everybody", from: before.files, to: after.files, unit: "" },
      ...{ bound: `${LEFT_OPEN} more`, isBad: after.files > before.files + LEFT_OPEN },
    },
    {
      ...{ name: "resources, before and after everybody", from: countOf(before), to: countOf(after), unit: "" },
      ...{ bound: `${LEFT_OPEN} more`, isBad: countOf(after) > countOf(before) + LEFT_OPEN },
    },
    {
      name: "heap, before and after everybody",
      ...{ from: before.heapBytes / MIB, to: after.heapBytes / MIB, unit: "MiB", bound: "60 MiB more" },
      isBad: after.heapBytes > before.heapBytes + 60 * MIB,
    },
  ];
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** The report as a table. */
export function formatSoak({ figures, done }: SoakReport): string {
  const lines = figures.map(({ name, from, to, unit, bound, isBad }) => {
    const values = `${from.toFixed(1).padStart(9)} -> ${to.toFixed(1).padStart(9)} ${unit.padEnd(4)}`;
    return `${isBad ? "!" : " "} ${name.padEnd(44)}${values} (${bound})`;
  });
  const habits = [...done].map(([name, { times, failed, last }]) => {
    const why = failed === 0 ? "" : `, ${failed} refused or failed, last: ${last.slice(0, 80)}`;
    return `  ${name.padEnd(44)}${String(times).padStart(9)}${why}`;
  });
  return [...lines, ...habits].join("\n");
}
