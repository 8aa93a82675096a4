import { setTimeout as sleep } from "node:timers/promises";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { JobChange } from "../../gen/gotaskq/v1/job_service_pb.js";
import { signal } from "../support/signal.js";
import { judge } from "./calls.js";
import type { Fleet } from "./fleet.js";
import type { Random } from "./random.js";

/** What the change log says about one job. */
export interface Story {
  revision: number;
  status: JobStatus;
  deliveries: number;
  /** How often it became RUNNING, without leases that never reached a worker; DONE; and DEAD. */
  running: number;
  done: number;
  dead: number;
}

/** The change log, read from beginning to end by one watch that moves from server to server. */
export interface History {
  readonly stories: ReadonlyMap<string, Story>;
  /** How often the watch was resumed. */
  readonly resumes: number;
  /** Resolves when the watch is established: it sees everything that happens from then on. */
  readonly inPlace: Promise<void>;
  /** Watches until the signal is aborted. */
  run(stop: AbortSignal): Promise<void>;
}

/** Longest silence before the watch tries another server, ms: a frozen server sends nothing. */
const SILENCE_MS = 2500;

/**
 * Creates a history. It calls `violation` for a gap, for a repeated change, and for a change after the end of a job, unless that
 * `mayReturn`; and `seen` with each change, those of one queue in the order of the log.
 */
export function createHistory(
  fleet: Fleet,
  random: Random,
  violation: (text: string) => void,
  mayReturn: (jobId: string) => boolean = () => false,
  seen: (change: JobChange) => void = () => undefined,
): History {
  const stories = new Map<string, Story>();
  const inPlace = signal();
  let [cursor, resumes] = ["", 0];

  function add({ jobId, revision, status, deliveries }: JobChange): void {
    let story = stories.get(jobId);
    if (story === undefined) {
      story = { revision: 0, status: JobStatus.UNSPECIFIED, deliveries: 0, running: 0, done: 0, dead: 0 };
      stories.set(jobId, story);
    }
    if (revision !== story.revision + 1) violation(`job ${jobId}: revision ${revision} came after ${story.revision}`);
    if (story.done + story.dead > 0 && !mayReturn(jobId))
      violation(`job ${jobId}: ${JobStatus[status]} came after its end`);
    // A lease whose answer was lost for good is given back, as if it had never been.
    if (deliveries < story.deliveries) {
      const isGivenBack = story.status === JobStatus.RUNNING && status === JobStatus.PENDING;
      if (!isGivenBack || deliveries !== story.deliveries - 1) {
        violation(`job ${jobId}: ${JobStatus[status]} says ${deliveries} deliveries after ${story.deliveries}`);
      }
      story.running--;
    }
    story.deliveries = deliveries;
    story.revision = revision;
    story.status = status;
    if (status === JobStatus.RUNNING) story.running++;
    if (status === JobStatus.DONE) story.done++;
    if (status === JobStatus.DEAD) story.dead++;
  }

  /** Reads one stream to its end. */
  async function read(stop: AbortSignal): Promise<void> {
    const { jobs } = await fleet.any(random);
    const silent = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
    };
    listen();
    try {
      const messages = jobs.watchJobs({ cursor }, { signal: AbortSignal.any([stop, silent.signal]) });
      for await (const message of messages) {
        listen();
        if (message.event.case === "change") {
          add(message.event.value);
          seen(message.event.value);
        }
        if (message.cursor !== "") cursor = message.cursor;
        inPlace.fire();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    stories,
    inPlace: inPlace.fired,
    get resumes() {
      return resumes;
    },
    async run(stop) {
      while (!stop.aborted) {
        try {
          await read(stop);
        } catch (error) {
          const failure = judge(error);
          if (failure.violation !== undefined) violation(`the watch was ${failure.violation}`);
          // The missed changes are gone for good.
          if (failure.name === "WATCH_COMPACTED") return;
        }
        if (stop.aborted) return;
        resumes++;
        await sleep(50);
      }
    },
  };
}
