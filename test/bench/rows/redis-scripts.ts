import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { createSystemClock } from "../../../src/core/clock.js";
import type { Lease } from "../../../src/core/port/leases.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis-server.js";
import { check, type Figure, median, report } from "../figures.js";

// How long each script keeps Redis from everybody else, when it is given the largest batch that it is ever given.

const WAITING = 20_000;
const BATCH = 1000;
const TURNS = 5;
const PAYLOAD = JSON.stringify({ text: "x".repeat(89) });

const ref = ({ job, token }: Lease) => ({ jobId: job.id, token });

async function add(backend: Backend, count: number, given: Partial<NewJob> = {}): Promise<void> {
  for (let made = 0; made < count; made += BATCH) {
    await backend.enqueue(
      Array.from({ length: BATCH }, (_, n) => newJob({ payload: PAYLOAD, priority: n % 11, ...given })),
    );
  }
}

async function tickAll(backend: Backend): Promise<void> {
  for (let nextInMs: number | undefined = 0; nextInMs !== undefined && nextInMs <= 0; )
    ({ nextInMs } = await backend.tick());
}

/** Uses everything that takes many jobs at once, in the largest batches. */
async function useAll(backend: Backend): Promise<void> {
  const lease = (types = ["echo"], leaseMs = 60_000) =>
    backend.lease({ queues: ["default"], types, max: BATCH, leaseMs, worker: "bench" });
  await add(backend, WAITING / 2);
  await add(backend, BATCH, { delayMs: 1, type: "delayed" });
  await tickAll(backend);
  await lease(["delayed"]);
  for (let turn = 0; turn < 4; turn++) {
    const leases = await lease();
    check(leases.length === BATCH, `${leases.length} jobs were leased`);
    const progress = { percent: 1, message: "m" };
    await backend.extend(leases.map((each) => ({ ...ref(each), leaseMs: 60_000, progress })));
    if (turn === 0) await backend.release(leases.map(ref));
    else if (turn === 1) {
      await backend.fail(leases.map((each) => ({ ...ref(each), error: "no", retry: "NEVER" as const, jitter: 0 })));
    } else await backend.complete(leases.map((each) => ({ ...ref(each), result: '"result"' })));
  }
  const dead = await backend.listDead({ queue: "default", limit: BATCH, order: "NEWEST" });
  const matches = { queue: "default", isDead: true, errorContains: "n", metadata: { none: "" } };
  for (const query of [matches, { ...matches, isDead: false }]) await backend.count(query);
  await backend.groupDead({ queue: "default", isDead: true });
  const deadIds = dead.jobs.map(({ id }) => id);
  await backend.act("REPLAY", deadIds.slice(500), { errorContains: "n" });
  await backend.act("CANCEL", deadIds.slice(500), {});
  await backend.act("DELETE", deadIds.slice(500), {});
  await backend.replay(deadIds.slice(0, 500));
  for (const statuses of [[], ["DONE" as const], ["DEAD" as const]]) {
    await backend.list({ queue: "default", statuses, limit: BATCH });
  }
  const finished = await backend.list({ queue: "default", statuses: ["DONE"], limit: BATCH });
  const ids = finished.jobs.map(({ id }) => id);
  await backend.remove(ids, ["DONE"]);
  await backend.get(ids);
  await backend.purge("default", 5000);
  await lease(["echo"], 1);
  await tickAll(backend);
  await backend.createQueue("many", DEFAULT_QUEUE_SETTINGS);
  await add(backend, 5 * BATCH, { queue: "many" });
  await backend.deleteQueue("many", true);
  await backend.queues();
}

const redis = await startRedis();
try {
  const backend = createRedisBackend({ clock: createSystemClock(), logger: silentLogger }, { url: redis.url });
  const ignore = () => {};
  await backend.start({
    ...{
      ready: ignore,
      due: ignore,
      changes: ignore,
      interrupted: ignore,
      queues: ignore,
      emptied: ignore,
      available: ignore,
      resync: ignore,
    },
  });
  for (let turn = 0; turn < TURNS; turn++) await useAll(backend);
  const times = new Map<string, number[]>();
  for (const { ms, command } of await redis.slowlog(1)) {
    const [name = "", script = ""] = command;
    // Redis cuts long texts in its log: the first call of a script, by its text, is not told apart.
    if (/^evalsha$/i.test(name)) times.set(script, [...(times.get(script) ?? []), ms]);
  }
  await backend.stop();
  check(times.size > 5, "fewer scripts than expected took 1 ms");
  const medians = [...times.values()].map(median);
  const figures: Figure[] = [
    { name: "the slowest script, median of its calls", value: Math.max(...medians), unit: "ms" },
    { name: "the slowest call of all", value: Math.max(...[...times.values()].flat()), unit: "ms" },
    { name: "scripts that took 1 ms or more", value: times.size, unit: "" },
  ];
  report(figures, `batches of ${BATCH}`);
} finally {
  await redis.dispose();
}
