import type { Health, Queue, ServerInfo, TaskQueueClient, WorkerInfo } from "../../client/index.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { takenBy } from "../../model/queue/taken.js";
import { readVersion } from "../../version.js";
import type { Connection } from "../options/connection.js";
import { distanceText, durationText } from "../output/times.js";
import { workersOf } from "../workers-of.js";

/** Something that was found out about a server. */
export interface Finding {
  /** What it is about, in a word. */
  readonly what: string;
  /** `skip`: it could not be found out, as the token may not ask for it. */
  readonly level: "ok" | "warn" | "fail" | "skip";
  readonly text: string;
}

/** Clocks that differ by more make times hard to compare, ms. */
const MAX_CLOCK_DIFFERENCE_MS = 2000;
/** Calls of which the fastest is told. */
const CALLS = 3;
/** A token that ends sooner is told of, ms. */
const ENDS_SOON_MS = 7 * 86_400_000;
/** A job that has been ready for longer is told of, ms. */
const LONG_WAIT_MS = 5 * 60_000;
/** Most names in a line. */
const MAX_NAMES = 5;

/**
 * Finds out about a server what a person wants to know first when something is wrong: whether it answers and how fast, versions, its
 * store, clocks, what the token may do, and queues that stand still. Rejects with a `TaskQueueError` when it does not answer at all.
 */
export async function* findings(client: TaskQueueClient, connection: Connection): AsyncGenerator<Finding> {
  const { result: info, ms } = await fastest(() => client.server.info());
  yield { what: "connection", level: "ok", text: `${connection.urls.join(", ")} answers in ${milliseconds(ms)}` };
  yield versions(info);
  yield serving(info, await client.server.health());
  yield token(info, Date.now());
  yield await asked("clock", () => clock(client));
  const queues = await asked("store", () => fastest(() => client.queues.list()));
  if ("level" in queues) {
    yield queues;
    return;
  }
  yield store(info, queues.ms);
  yield* queueFindings(queues.result);
  const workers = await asked("workers", async () => ({ list: await workersOf(client) }));
  if ("level" in workers) yield workers;
  else yield* workerFindings(workers.list, queues.result);
}

/** What a call finds, or what is to be said when it is refused. */
async function asked<T>(what: string, call: () => Promise<T>): Promise<T | Finding> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TaskQueueError)) throw error;
    const isForbidden = error.code === "PERMISSION_DENIED";
    return { what, level: isForbidden ? "skip" : "fail", text: error.message };
  }
}

function serving({ draining, uptimeMs }: ServerInfo, health: Health): Finding {
  const text = `up for ${durationText(uptimeMs)}`;
  if (draining) return { what: "server", level: "warn", text: `${text}, and shutting down` };
  if (health === "SERVING") return { what: "server", level: "ok", text: `${text}, and serves calls` };
  return { what: "server", level: "fail", text: `${text}, and serves no calls: it cannot reach its store` };
}

function versions({ version }: ServerInfo): Finding {
  const own = readVersion();
  const text = `server ${version}, this command ${own}`;
  return {
    what: "versions",
    level: version === own ? "ok" : "warn",
    text: version === own ? text : `${text}: they differ`,
  };
}

function store({ store: kind, durable }: ServerInfo, ms: number): Finding {
  const kept = durable ? "jobs survive the end of the server" : "jobs end with the server";
  return { what: "store", level: "ok", text: `${kind} answers in ${milliseconds(ms)}; ${kept}` };
}

function token({ caller }: ServerInfo, now: number): Finding {
  if (caller === undefined) return { what: "token", level: "ok", text: "none is needed: everybody may do everything" };
  const { name, scopes, queues, endsAt } = caller;
  const where = queues.length === 0 ? "in every queue" : `in ${queues.join(", ")}`;
  const end = endsAt === undefined ? "" : `, and ends ${distanceText(endsAt, now)}`;
  const isEnding = endsAt !== undefined && endsAt - now < ENDS_SOON_MS;
  return { what: "token", level: isEnding ? "warn" : "ok", text: `"${name}" may ${scopes.join(", ")} ${where}${end}` };
}

/** How far the clock of the store is ahead of the one here: a schedule of each second begins a second after its now. */
async function clock(client: TaskQueueClient): Promise<Finding> {
  const times = { everyMs: 1000 };
  const before = Date.now();
  const [first = 0] = await client.schedules.preview(times, { count: 1 });
  const after = Date.now();
  const ahead = first - times.everyMs - (before + after) / 2;
  const far = Math.abs(ahead);
  // What the call took is what is not known of it.
  const isFar = far - (after - before) / 2 > MAX_CLOCK_DIFFERENCE_MS;
  const text = far < 1 ? "as the one here" : `${durationText(far)} ${ahead > 0 ? "ahead of" : "behind"} the one here`;
  return { what: "clock", level: isFar ? "warn" : "ok", text: isFar ? `${text}: times do not compare` : text };
}

function* queueFindings(queues: readonly Queue[]): Generator<Finding> {
  const sum = (count: (stats: Queue["stats"]) => number) => queues.reduce((all, { stats }) => all + count(stats), 0);
  const text = `${queues.length}: ${sum(({ ready }) => ready)} ready, ${sum(({ running }) => running)} running, ${sum(({ scheduled, retrying }) => scheduled + retrying)} later, ${sum(({ dead }) => dead)} dead`;
  yield { what: "queues", level: "ok", text };
  const paused = queues.filter((queue) => queue.paused);
  if (paused.length > 0)
    yield { what: "queues", level: "warn", text: `paused: ${names(paused.map(({ name }) => name))}` };
  const slow = queues.filter(({ stats }) => (stats.oldestReadyAgeMs ?? 0) > LONG_WAIT_MS);
  const waits = slow.map(({ name, stats }) => `${name} (${durationText(stats.oldestReadyAgeMs ?? 0)})`);
  if (slow.length > 0) yield { what: "queues", level: "warn", text: `jobs are ready and wait: ${names(waits)}` };
  const dead = queues.filter(({ stats }) => stats.dead > 0).map(({ name, stats }) => `${name} (${stats.dead})`);
  if (dead.length > 0)
    yield { what: "queues", level: "warn", text: `dead jobs: ${names(dead)}; \`gotaskq dlq summary\` tells of what` };
}

function* workerFindings(workers: readonly WorkerInfo[], queues: readonly Queue[]): Generator<Finding> {
  const running = workers.reduce((sum, each) => sum + each.running, 0);
  const capacity = workers.reduce((sum, each) => sum + each.capacity, 0);
  yield { what: "workers", level: "ok", text: `${workers.length} here, ${running} of ${capacity} slots in use` };
  const isTaken = takenBy(workers);
  const untaken = queues.flatMap(({ name, stats }) =>
    stats.readyTypes.filter((type) => !isTaken(name, type)).map((type) => `${type} in ${name}`),
  );
  if (untaken.length === 0) return;
  yield { what: "workers", level: "warn", text: `no worker of this server takes: ${names(untaken)}` };
}

function names(list: readonly string[]): string {
  const shown = list.slice(0, MAX_NAMES).join(", ");
  return list.length > MAX_NAMES ? `${shown} and ${list.length - MAX_NAMES} more` : shown;
}

/** The fastest of a few calls: the first one also connects. */
async function fastest<T>(call: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  let ms = Number.POSITIVE_INFINITY;
  for (let calls = 1; ; calls++) {
    const start = performance.now();
    const result = await call();
    ms = Math.min(ms, performance.now() - start);
    if (calls === CALLS) return { result, ms };
  }
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
