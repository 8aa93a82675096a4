import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createFileBackend } from "../../src/backends/file/file-backend.js";
import type { BackendListener } from "../../src/core/backend.js";
import { createSystemClock } from "../../src/core/clock.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { processesOf } from "../support/process-tree.js";
import { eventually } from "../support/wait.js";
import { createFleet } from "./fleet.js";
import { createGate } from "./gate.js";
import { createHistory } from "./history.js";
import type { Member } from "./member.js";
import { createWorld, planJob } from "./plan.js";
import { type Ledger, produce } from "./producer.js";
import { createRandom } from "./random.js";
import { readRecord, untilQuiet } from "./rest.js";
import { beginRun, type ChaosReport, LEASE_MS, type RunOptions, serverEnvironment } from "./run.js";
import { cancelJobs, replayJobs, SIDE_QUEUES, type SideLedger, verifySides, workRemotely } from "./sides.js";
import { verify } from "./verify.js";

/** Options of a run. */
export interface KillOptions extends RunOptions {
  readonly jobs: number;
  readonly producers: number;
  /** How often the server is killed. */
  readonly kills: number;
  /** How many copies of the folder are taken, as a power cut would leave it, and looked into. */
  readonly copies: number;
  readonly durability: "power" | "process";
  /** `PROCESSES` of the server. With several, some of the kills are of one of them. */
  readonly processes: number;
  readonly seed: number;
}

/** What is killed, or stands still for a while, in a server with several processes. */
const TARGETS = ["server", "store", "serving", "frozen"] as const;

/** How long a process stands still at the most, ms: longer than a lease lasts. */
const FROZEN_MS = 2 * LEASE_MS;

const deaf: BackendListener = {
  ready() {},
  due() {},
  changes() {},
  interrupted() {},
  queues() {},
  emptied() {},
  available() {},
  resync() {},
};

/**
 * Creates, runs, cancels and replays jobs on a server that keeps them in a file, while it is killed at random moments and
 * started again. Then compares what callers were told with what is recorded and with the change log.
 */
export async function runKills(options: KillOptions): Promise<ChaosReport> {
  const run = beginRun(options);
  const { log, violation, violations, seconds, bounded } = run;
  const random = createRandom(options.seed);
  const root = mkdtempSync(join(tmpdir(), "gotaskq-kill-"));
  const folder = join(root, "data");
  const runs = join(root, "runs");
  mkdirSync(runs);
  const world = createWorld(3, 0);
  const env = {
    ...serverEnvironment([...world.queues, ...SIDE_QUEUES]),
    ...{ DATA_DIR: folder, DURABILITY: options.durability, RUNS_DIR: runs, PROCESSES: String(options.processes) },
    // No crash may make a job a poison job here: then each job has exactly one right end.
    MAX_LOST_LEASES: "1000",
  };
  const fleet = createFleet({ env, log: () => {}, violation, killed: () => {}, started: () => {} });
  const history = createHistory(fleet, random.fork(), violation, (id) => id.endsWith("@replayed"));
  const gate = createGate(options.jobs);
  const ledger: Ledger = { accepted: new Map(), retries: new Map(), deduplicated: 0, violation };
  const sides: SideLedger = {
    canceled: new Set(),
    replayed: new Set(),
    created: new Set(),
    completed: new Set(),
    lost: 0,
    violation,
  };

  let copied = 0;
  const targets = { store: 0, serving: 0, frozen: 0 };
  /** Copies the folder while the process stands still, as a power cut would leave it but for what is not synced. */
  async function lookIntoCopy(): Promise<void> {
    const member = await fleet.any(random);
    const accepted = [...ledger.accepted.keys(), ...sides.created];
    const ended = { DONE: [...sides.completed], CANCELED: [...sides.canceled] };
    const copy = join(root, `copy-${++copied}`);
    const { store = member.pid } = processesOf(member.pid);
    process.kill(store, "SIGSTOP");
    cpSync(folder, copy, { recursive: true });
    process.kill(store, "SIGCONT");
    const backend = createFileBackend(
      { clock: createSystemClock(), random: Math.random, logger: silentLogger },
      {
        folder: copy,
        completeJobTtlMs: 86_400_000,
        maxCompletedJobs: 1e7,
        maxCompletedBytes: 1e11,
        changeLogSize: 1e7,
      },
    );
    await backend.start(deaf);
    for (let at = 0; at < accepted.length; at += 1000) {
      const part = accepted.slice(at, at + 1000);
      (await backend.get(part)).forEach((job, index) => {
        if (job === undefined) violation(`job ${part[index]} was acknowledged and is not in copy ${copied}`);
      });
    }
    for (const [status, ids] of Object.entries(ended)) {
      (await backend.get(ids)).forEach((job, index) => {
        if (job?.status !== status)
          violation(`job ${ids[index]} was ${status} and is ${job?.status} in copy ${copied}`);
      });
    }
    await backend.stop();
    rmSync(copy, { recursive: true });
  }

  /** Kills the server, or one of its processes; or has one that serves stand still for a while. */
  async function hit(member: Member): Promise<void> {
    const { store, serving } = processesOf(member.pid);
    const one = random.pick(serving);
    const target = options.processes > 1 ? random.pick(TARGETS) : "server";
    if (target === "store" && store !== undefined) {
      targets.store++;
      await fleet.replace(member, () => process.kill(store, "SIGKILL"));
    } else if (target === "serving" && one !== undefined) {
      targets.serving++;
      process.kill(one, "SIGKILL");
    } else if (target === "frozen" && one !== undefined) {
      targets.frozen++;
      process.kill(one, "SIGSTOP");
      await sleep(random.between(0, FROZEN_MS));
      process.kill(one, "SIGCONT");
    } else await fleet.replace(member);
  }

  async function sabotage(): Promise<void> {
    const share = Math.ceil(options.jobs / (options.kills + 1));
    const isCopied = (kill: number) => copied < Math.floor(((kill + 1) * options.copies) / options.kills);
    for (let kill = 0; kill < options.kills; kill++) {
      gate.open(share);
      await gate.untilAccepted(Math.min(options.jobs, kill * share + Math.floor(share * random.next())));
      if (isCopied(kill)) await lookIntoCopy();
      await sleep(random.between(0, 100));
      await hit(await fleet.any(random));
      if (kill % 20 === 19) log(`killed ${kill + 1} times; ${ledger.accepted.size} jobs are accepted`);
    }
    gate.open(options.jobs);
  }

  try {
    await bounded("the start of the servers", fleet.start(1));
    const watching = history.run(run.signal);
    await bounded("the watch to be in place", history.inPlace);
    const plan = (n: number) => planJob(world, n, createRandom(options.seed + n));
    const producers = Array.from({ length: options.producers }, () =>
      produce({ gate, fleet, ledger, plan }, random.fork(), run.signal),
    );
    const end = new AbortController();
    const deps = { fleet, ledger: sides, leaseMs: LEASE_MS, end: end.signal, stop: run.signal };
    const others = [
      cancelJobs(deps, random.fork()),
      replayJobs(deps, random.fork()),
      ...Array.from({ length: 3 }, (_, at) => workRemotely(deps, random.fork(), `remote-${at}`)),
    ];
    await bounded("the jobs to be accepted", Promise.all([sabotage(), ...producers]));
    log(`${ledger.accepted.size} jobs are accepted; from now on nothing goes wrong`);
    end.abort();
    await bounded("the other callers", Promise.all(others));
    const queues = await bounded("the queues to become empty", untilQuiet(fleet, random, run.signal));
    const record = await bounded("the record of all jobs", readRecord(fleet, random));
    const isSide = (id: string) => SIDE_QUEUES.some((name) => id.endsWith(`@${name}`));
    const isTold = async () =>
      record.every(({ id, revision }) => history.stories.get(id)?.revision === revision) || undefined;
    await bounded("the change log", eventually(isTold, "the last change of every job in the change log", 20_000)).catch(
      (error) => violation(error.message),
    );
    const stories = new Map([...history.stories].filter(([id]) => !isSide(id)));
    const verdict = verify({
      accepted: ledger.accepted,
      record: record.filter(({ id }) => !isSide(id)),
      queues: queues.filter(({ name }) => !SIDE_QUEUES.some((side) => side === name)),
      stories,
    });
    for (const text of verdict.violations) violation(text);
    verifySides(
      sides,
      record.filter(({ id }) => isSide(id)),
      history.stories,
    );
    run.end("the run is over");
    await watching;
    return {
      violations,
      counts: {
        "times killed": options.kills,
        ...(options.processes > 1 && {
          "of them the process with the store": targets.store,
          "of them one that serves": targets.serving,
          "of them one that serves, frozen only": targets.frozen,
        }),
        "copies looked into": copied,
        "jobs to create": options.jobs,
        "jobs accepted": ledger.accepted.size,
        "of them DONE": verdict.counts.done,
        "of them DEAD": verdict.counts.dead,
        "of them neither": verdict.counts.unfinished,
        "accepted and lost": verdict.counts.lost,
        "recorded and never accepted": verdict.counts.unknown,
        "ended more than once": verdict.counts.endedTwice,
        "deliveries to workers": verdict.counts.runs,
        "leases lost": verdict.counts.lostLeases,
        "creates that an earlier call had done": ledger.deduplicated,
        "completed by remote workers": sides.completed.size,
        "of their leases lost": sides.lost,
        canceled: sides.canceled.size,
        "dead, replayed and dead again": sides.replayed.size,
        "changes in the log": verdict.counts.changes,
        "times the watch was resumed": history.resumes,
        violations: run.violationCount(),
        seconds: Math.round(seconds()),
      },
    };
  } finally {
    run.end("the run has failed");
    await fleet.stop();
    rmSync(root, { recursive: true, force: true });
  }
}
