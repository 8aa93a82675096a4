import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobChange } from "../../gen/gotaskq/v1/job_service_pb.js";
import { queueOf } from "../../src/model/queue/ids.js";
import { startRedis } from "../support/redis-server.js";
import { eventually } from "../support/wait.js";
import { createCrew } from "./crew.js";
import { createSaboteur, FAULTS, type Fault, planFaults } from "./faults.js";
import { createFleet } from "./fleet.js";
import { createGate } from "./gate.js";
import { createHistory } from "./history.js";
import { checkLimits, toLimitChange } from "./limits.js";
import { createWorld, planJob } from "./plan.js";
import { type Ledger, produce } from "./producer.js";
import { createRandom } from "./random.js";
import { readRecord, untilQuiet } from "./rest.js";
import { beginRun, type ChaosReport, LEASE_MS, type RunOptions, serverEnvironment } from "./run.js";
import { readRuns } from "./runs.js";
import { createSchedules, pauseSchedules, SCHEDULED_QUEUE, verifySchedules } from "./schedules.js";
import { setLimits } from "./set-limits.js";
import { createTroubles } from "./troubles.js";
import { createUnique, UNIQUE_QUEUE, verifyUnique } from "./unique.js";
import { verify } from "./verify.js";

/** Options of a run. */
export interface ChaosOptions extends RunOptions {
  readonly jobs: number;
  /** Producers that create jobs at the same time. */
  readonly producers: number;
  /** Server processes on the one Redis. */
  readonly servers: number;
  /** Processes of remote workers. Each has its share of the sets of types. */
  readonly workers: number;
  /** Queues, and sets of types that remote workers take. */
  readonly queues: number;
  readonly typeSets: number;
  /** Number of faults; the jobs are spread over them. */
  readonly faults: number;
  /** The kinds of faults. Default: all. */
  readonly kinds?: readonly Fault[];
  /** Decides the jobs, the faults and their order. The exact moment of each fault depends on the machine. */
  readonly seed: number;
  /** Environment variables of the servers, on top of those of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Creates jobs on several servers that share one Redis while servers and Redis are killed, frozen and cut off. Then it
 * waits until no job is left, and compares what the producers were told with what is recorded and with the change log.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = beginRun(options);
  const { log, violation, violations, seconds, bounded } = run;
  const random = createRandom(options.seed);
  // With `always`, Redis answers after its file is written and synced, so that acknowledged writes survive SIGKILL.
  // With `everysec` a write may be delayed behind a running sync and be answered before the file has it.
  const redis = await startRedis({ aof: "always" });
  const world = createWorld(options.queues, options.typeSets, true);
  const sideQueues = [SCHEDULED_QUEUE, UNIQUE_QUEUE];
  const folder = await mkdtemp(join(tmpdir(), "gotaskq-runs-"));
  const troubles = createTroubles(LEASE_MS);
  const { killed } = troubles;
  const fleet = createFleet({
    // MAX_LOST_LEASES is what it is by itself: each fault may cost a job one lease, and never so many that it is taken for
    // poison. So each job has exactly one right end.
    env: {
      ...serverEnvironment([...world.queues, ...sideQueues]),
      ...{ USE_REDIS: "true", REDIS_URL: redis.url, RUNS_DIR: folder },
      ...options.env,
    },
    ...{ log, violation, killed, started: (victim) => troubles.started(victim, "server") },
  });
  const crew = createCrew(fleet, random.fork(), {
    types: world.types,
    env: { LEASE_MS: String(LEASE_MS), RUNS_DIR: folder },
    ...{ log, violation, killed, started: (victim) => troubles.started(victim, "worker") },
  });
  const saboteur = createSaboteur({ fleet, crew, redis, leaseMs: LEASE_MS, troubles, random: random.fork(), log });
  /** The changes of the queues whose order matters, by queue. */
  const changes = new Map<string, JobChange[]>([...world.limits.keys(), UNIQUE_QUEUE].map((name) => [name, []]));
  const history = createHistory(fleet, random.fork(), violation, undefined, (change) =>
    changes.get(change.queue)?.push(change),
  );
  const gate = createGate(options.jobs);
  const ledger: Ledger = { accepted: new Map(), retries: new Map(), deduplicated: 0, violation };
  const struck: Record<string, number> = {};

  async function sabotage(): Promise<void> {
    const faults = planFaults(options.faults, options.kinds ?? FAULTS, random).slice(0, options.faults);
    const share = Math.ceil(options.jobs / (faults.length + 1));
    let opened = 0;
    for (const fault of faults) {
      gate.open(share);
      // The fault strikes while some of these jobs have been accepted, some run, and some are being created.
      await gate.untilAccepted(Math.min(options.jobs, opened + Math.floor(share * random.next())));
      opened += share;
      await saboteur.strike(fault);
      struck[fault] = (struck[fault] ?? 0) + 1;
    }
    gate.open(options.jobs);
  }

  try {
    await bounded("the start of the servers", fleet.start(options.servers));
    await bounded("the start of the workers", crew.start(options.workers));
    const watching = history.run(run.signal);
    await bounded("the watch to be in place", history.inPlace);

    const end = new AbortController();
    const deps = { fleet, ledger: { violation }, end: end.signal, stop: run.signal };
    await bounded("the limits to be set", setLimits(world.limits, fleet, random));
    await bounded("the schedules to be made", createSchedules(deps, random));
    const unique = new Set<string>();
    const others = ["a", "b", "c"].map((name) => createUnique(deps, random.fork(), unique, name));

    const plan = (n: number) => planJob(world, n, createRandom(options.seed + n));
    const producers = Array.from({ length: options.producers }, () =>
      produce({ gate, fleet, ledger, plan }, random.fork(), run.signal),
    );
    await bounded("the jobs to be accepted", Promise.all([sabotage(), ...producers]));
    log(`${ledger.accepted.size} jobs are accepted; from now on nothing goes wrong`);
    await bounded("servers to come back", saboteur.mended());
    end.abort();
    await bounded("the other callers", Promise.all(others));
    const schedules = await bounded("the schedules to be paused", pauseSchedules(deps, random));
    const queues = await bounded("the queues to become empty", untilQuiet(fleet, random, run.signal));
    log("no job waits or runs");
    const record = await bounded("the record of all jobs", readRecord(fleet, random));
    const isTold = async () =>
      record.every(({ id, revision }) => history.stories.get(id)?.revision === revision) || undefined;
    await bounded("the change log", eventually(isTold, "the last change of every job in the change log", 20_000)).catch(
      (error) => violation(error.message),
    );
    const isSide = (id: string) => sideQueues.includes(queueOf(id));
    const verdict = verify({
      accepted: ledger.accepted,
      record: record.filter(({ id }) => !isSide(id)),
      queues: queues.filter(({ name }) => !sideQueues.includes(name)),
      stories: new Map([...history.stories].filter(([id]) => !isSide(id))),
    });
    for (const text of verdict.violations) violation(text);
    const recordOf = (queue: string) => record.filter(({ id }) => queueOf(id) === queue);
    const scheduled = recordOf(SCHEDULED_QUEUE);
    for (const text of verifySchedules(schedules, scheduled)) violation(text);
    for (const text of verifyUnique(changes.get(UNIQUE_QUEUE) ?? [], recordOf(UNIQUE_QUEUE), unique)) violation(text);
    const keys = new Map(record.map(({ id, key }) => [id, key]));
    const bounds = [...world.limits].map(([queue, limits]) =>
      checkLimits(queue, limits, (changes.get(queue) ?? []).map(toLimitChange), (id) => keys.get(id) ?? ""),
    );
    for (const text of bounds.flatMap(({ violations }) => violations)) violation(text);
    const runs = await readRuns(folder);
    const twice = troubles.judge(runs);
    for (const text of twice.violations) violation(text);
    const staleWrites = await fleet.staleWrites();
    run.end("the run is over");
    await watching;
    return {
      violations,
      counts: {
        "jobs to create": options.jobs,
        "jobs accepted": ledger.accepted.size,
        "jobs in the record": record.length - scheduled.length - recordOf(UNIQUE_QUEUE).length,
        "of them DONE": verdict.counts.done,
        "of them DEAD": verdict.counts.dead,
        "of them neither": verdict.counts.unfinished,
        "accepted and lost": verdict.counts.lost,
        "recorded and never accepted": verdict.counts.unknown,
        "ended more than once": verdict.counts.endedTwice,
        "deliveries to workers": verdict.counts.runs,
        "runs of handlers": runs.length,
        "runs beside one that had lost its lease": twice.excused,
        "runs beside one that was well": twice.violations.length,
        "leases lost": verdict.counts.lostLeases,
        "stale writes refused, as counted by servers that lived": staleWrites,
        "creates that an earlier call had done": ledger.deduplicated,
        "jobs of schedules": scheduled.length,
        "jobs that competed for unique keys": unique.size,
        "hand-outs in queues with limits": bounds.reduce((sum, { handOuts }) => sum + handOuts, 0),
        "most of one key at once": Math.max(0, ...bounds.map(({ mostOfKey }) => mostOfKey)),
        ...named("creates repeated after", Object.fromEntries(ledger.retries)),
        "changes in the log": verdict.counts.changes,
        "times the watch was resumed": history.resumes,
        ...named("faults:", struck),
        violations: run.violationCount(),
        seconds: Math.round(seconds()),
      },
    };
  } finally {
    run.end("the run has failed");
    await crew.stop();
    await fleet.stop();
    await redis.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

function named(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  const sorted = Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, count]) => [`${prefix} ${name}`, count]));
}

/** Formats the counts as a table, with the violations below. */
export function formatReport({ counts, violations }: ChaosReport): string {
  const width = Math.max(...Object.keys(counts).map((name) => name.length));
  const rows = Object.entries(counts).map(
    ([name, count]) => `  ${name.padEnd(width)} ${count.toLocaleString("en").padStart(10)}`,
  );
  return [...rows, ...violations.map((text) => `  VIOLATION: ${text}`)].join("\n");
}
