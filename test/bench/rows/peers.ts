import { within } from "../../support/wait.js";
import { cpuOfProcess } from "../cpu.js";
import { reportTables, type Table } from "../figures.js";
import { CONCURRENCY, CONTESTANTS, type Contestant, type Programs, type Service } from "../peers/contestants.js";
import { BATCH_SIZE } from "../peers/drive.js";
import { startCommand } from "../processes.js";
import { type BenchRedis, startBenchRedis } from "../redis.js";

// GoTaskQ and other job queues under the same loads, one after the other: each with a client in one process, a worker in
// another, and what they talk to in others. Jobs carry 100 bytes and do nothing. All have their defaults, and their
// Redis keeps nothing on disk, but for that of Faktory. The peers are brought by npm and the Go proxy; what cannot be
// brought, or does not run, is said below the tables.
//
// PEERS=asynq,bunqueue npm run bench -- peers   measures only those with such a word in their name

const CALLERS = 64;
const BATCH_CALLERS = 4;
const CREATED_ALONE = 5000;
const CREATED = 15_000;
const BATCHED = 20_000;
const PUSHED = 15_000;
/** Jobs before each load that are not measured: programs become fast only while they run. */
const WARM_UP = 2000;
const PATIENCE_MS = 60_000;

const WORK = {
  alone: "create one by one, 1 caller",
  create: `create one by one, ${CALLERS} callers`,
  batch: `create by ${BATCH_SIZE}, ${BATCH_CALLERS} callers`,
  run: `run waiting jobs, ${CONCURRENCY} at a time`,
  push: `create one by one, ${CALLERS} callers, and run`,
} as const;

const COLUMNS = ["jobs/s", "CPU µs a job: client", "worker", "server", "Redis", "all"];

type Values = readonly (number | null)[];

/** A program that does what lines say. */
type Driven = ReturnType<typeof startCommand>;

/** Has a program do what a line says. */
async function tell(program: Driven, line: string): Promise<void> {
  const done = program.line(/^done$/);
  program.child.stdin.write(`${line}\n`);
  await within(done, `the end of "${line}"`, PATIENCE_MS);
}

/** Resolves when so many jobs have been run in all. */
async function ranAll(worker: Driven, service: Service, jobs: number): Promise<void> {
  const { ran } = service;
  if (ran === undefined) return tell(worker, `until ${jobs}`);
  const polled = async () => {
    while ((await ran()) < jobs) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await within(polled(), `the run of ${jobs} jobs`, PATIENCE_MS);
}

/** Measures all work. It has to be done in this order. */
async function measure({ hasBatch, restMs }: Contestant, programs: Programs, redis: BenchRedis) {
  await redis.flush();
  const service = await programs.serve(redis);
  const env = { ...service.env, CONCURRENCY: String(CONCURRENCY) };
  const client = startCommand(programs.client, env);
  let worker: Driven | undefined;

  async function measured(jobs: number, work: () => Promise<void>): Promise<Values> {
    const pids = [client.child.pid, worker?.child.pid, service.server, service.redis];
    const cpus = () => pids.map((pid) => (pid === undefined ? null : cpuOfProcess(pid)));
    const [before, start] = [cpus(), performance.now()];
    await work();
    const [after, seconds] = [cpus(), (performance.now() - start) / 1000];
    const used = after.map((cpu, at) => (cpu === null ? null : ((cpu - (before[at] ?? 0)) / jobs) * 1e6));
    return [jobs / seconds, ...used, used.reduce<number>((sum, cpu) => sum + (cpu ?? 0), 0)];
  }

  try {
    await within(client.line(/^ready$/), "a client that is ready", PATIENCE_MS);
    await tell(client, `create ${CALLERS} ${WARM_UP}`);
    // Where creates of several callers share calls, these alone would leave the way of a single one cold.
    await tell(client, `create 1 ${WARM_UP}`);
    const alone = await measured(CREATED_ALONE, () => tell(client, `create 1 ${CREATED_ALONE}`));
    const create = await measured(CREATED, () => tell(client, `create ${CALLERS} ${CREATED}`));
    const word = hasBatch ? `batch ${BATCH_CALLERS}` : `create ${CALLERS}`;
    await tell(client, `${word} ${WARM_UP}`);
    const batch = await measured(BATCHED, () => tell(client, `${word} ${BATCHED}`));
    await tell(client, "pause");

    worker = startCommand(programs.worker, env, service.ran !== undefined);
    const running = worker;
    if (service.ran === undefined) await within(running.line(/^ready$/), "a worker that is ready", PATIENCE_MS);
    await new Promise((resolve) => setTimeout(resolve, restMs));
    const made = 2 * WARM_UP + CREATED_ALONE + CREATED + WARM_UP + BATCHED;
    await tell(client, "resume");
    await ranAll(running, service, WARM_UP);
    const [rate = null, , ...cpu] = await measured(made - WARM_UP, () => ranAll(running, service, made));
    const run = [rate, null, ...cpu]; // the client has nothing to do

    await tell(client, `create ${CALLERS} ${WARM_UP}`);
    const push = await measured(PUSHED, async () => {
      await tell(client, `create ${CALLERS} ${PUSHED}`);
      await ranAll(running, service, made + WARM_UP + PUSHED);
    });
    return { alone, create, ...(hasBatch && { batch }), run, push };
  } finally {
    await worker?.end();
    await client.end();
    await service.end();
  }
}

function sentence(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 300);
}

const words = (process.env.PEERS ?? "").toLowerCase().split(",");
const wanted = CONTESTANTS.filter(({ name }) => words.some((word) => name.toLowerCase().includes(word.trim())));
const redis = await startBenchRedis();
try {
  const results: { readonly name: string; readonly of: Partial<Record<keyof typeof WORK, Values>> }[] = [];
  const remarks: string[] = [];
  for (const contestant of wanted) {
    const { name } = contestant;
    process.stderr.write(`${name}\n`);
    let programs: Programs;
    try {
      programs = contestant.bring();
    } catch (error) {
      remarks.push(`Not measured, as it could not be brought: ${name}: ${sentence(error)}`);
      continue;
    }
    try {
      results.push({ name, of: await measure(contestant, programs, redis) });
    } catch (error) {
      remarks.push(`Not measured, as it did not run: ${name}: ${sentence(error)}`);
    }
  }
  const tables = Object.entries(WORK).map(([work, title]): Table => {
    const lines = results.flatMap(({ name, of }) => {
      const values = of[work as keyof typeof WORK];
      return values === undefined ? [] : [{ name, values }];
    });
    return { title, columns: COLUMNS, lines };
  });
  const filled = tables.filter(({ lines }) => lines.length > 0);
  reportTables(filled, `Redis ${redis.version}, ${new Date().toISOString().slice(0, 10)}`, remarks);
} finally {
  await redis.dispose();
}
