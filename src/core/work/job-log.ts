import { cutText } from "../../model/common/text.js";
import { type JobFacts, jobFields } from "../../model/log/job-fields.js";
import { guardedLogger, isLogged, type Logger } from "../../model/log/logger.js";
import type { ExpiredJob } from "../backend.js";
import type { SettleKind } from "../observer.js";
import type { Lease, LeaseRef, LostLease, Settlement } from "../port/leases.js";
import type { EnqueueResult, NewJob } from "../port/new-jobs.js";

/** Most characters of the error of an attempt in a line: the job keeps the whole of it. */
const ERROR_LENGTH = 1024;

/**
 * The lines of the log about what becomes of jobs. Payloads, results and metadata are in none of them; the text of a failed
 * attempt's error is, as its handler made it.
 *
 * | level | lines |
 * |---|---|
 * | debug | created, leased, settled, a cancel, told to run now, changed, expired |
 * | warn | an attempt failed, a lease was lost, a job is dead, an outcome came too late |
 */
export interface JobLog {
  created(jobs: readonly NewJob[], results: readonly EnqueueResult[]): void;
  leased(leases: readonly Lease[]): void;
  /** What a worker, or the pool, told of its jobs, and what came of it. `errors`: of the failures among them, in the same order. */
  settled(kind: SettleKind, refs: readonly LeaseRef[], settlements: readonly Settlement[], errors?: Errors): void;
  /** An attempt of a remote worker failed: no handler of this process threw. */
  failedElsewhere(refs: readonly LeaseRef[], settlements: readonly Settlement[], errors: Errors): void;
  /** A lease ran out, or its worker is gone. */
  lost(lease: Omit<LostLease, "deliveries" | "worker"> & Partial<LostLease>): void;
  cancelled(job: JobFacts & { readonly status: string }): void;
  /** A job expired before it ran. */
  expired(job: ExpiredJob): void;
  /** A waiting job was told to run now. */
  hurried(job: JobFacts): void;
  /** A waiting job was given another priority, time or payload. */
  updated(job: JobFacts): void;
}

/** What became of a create whose unique key a job held; the line names that job. */
const WHAT_WAS_MET = {
  KEPT: "a create met the job that holds its unique key",
  REPLACED: "a create replaced the job that holds its unique key",
} as const;

/** The error texts of some attempts. */
type Errors = readonly { readonly error: string }[];

/** Creates the log of an engine. */
export function createJobLog(given: Logger): JobLog {
  // What became of a job must not depend on whether it can be told.
  const logger = guardedLogger(given);
  // Asked once: what runs at each job must cost nothing when nobody reads it.
  const isDebug = isLogged(logger, "debug");

  function dead(fields: object, error: string | undefined): void {
    logger.warn({ ...fields, ...(error !== undefined && { error: cutText(error, ERROR_LENGTH) }) }, "a job is dead");
  }

  return {
    created(jobs, results) {
      if (!isDebug) return;
      jobs.forEach((job, at) => {
        const { id = job.id, deduplicated = false, met } = results[at] ?? {};
        const fields = { ...jobFields({ ...job, id }), ...(deduplicated && { deduplicated }) };
        const found = met === undefined ? "a job was created before" : WHAT_WAS_MET[met];
        logger.debug(fields, deduplicated ? found : "a job was created");
      });
    },

    leased(leases) {
      if (!isDebug) return;
      for (const { job } of leases) logger.debug(jobFields(job), "a job was leased");
    },

    settled(kind, refs, settlements, errors) {
      for (let at = 0; at < settlements.length; at++) {
        const { outcome, applied } = settlements[at] as Settlement;
        const id = refs[at]?.jobId ?? "";
        if (applied === undefined) {
          const fields = { job_id: id, outcome: kind };
          if (outcome === "LEASE_LOST") logger.warn(fields, "an outcome came after its lease had ended");
        } else if (isDebug || applied.status === "DEAD") {
          const { queue, type, status, durationMs } = applied;
          const fields = jobFields({ id, queue, type });
          logger.debug({ ...fields, outcome: kind, status, duration_ms: durationMs }, "a job was settled");
          if (status === "DEAD") dead(fields, errors?.[at]?.error);
        }
      }
    },

    failedElsewhere(refs, settlements, errors) {
      settlements.forEach(({ applied }, at) => {
        if (applied === undefined) return;
        const fields = jobFields({ ...applied, id: refs[at]?.jobId ?? "" });
        logger.warn({ ...fields, error: cutText(errors[at]?.error ?? "", ERROR_LENGTH) }, "an attempt failed");
      });
    },

    lost({ jobId, status, ...lease }) {
      const fields = jobFields({ ...lease, id: jobId });
      logger.warn({ ...fields, status }, "a lease was lost: its worker let it run out, or is gone");
      if (status === "DEAD") dead(fields, "its leases were lost too often");
    },

    cancelled(job) {
      if (!isDebug) return;
      const fields = jobFields({ id: job.id, queue: job.queue, type: job.type });
      logger.debug({ ...fields, status: job.status }, "a cancel was asked for");
    },

    expired({ jobId, queue, type }) {
      if (isDebug) logger.debug(jobFields({ id: jobId, queue, type }), "a job expired before it ran");
    },

    hurried(job) {
      if (!isDebug) return;
      logger.debug(jobFields({ id: job.id, queue: job.queue, type: job.type }), "a job was told to run now");
    },

    updated(job) {
      if (isDebug) logger.debug(jobFields({ id: job.id, queue: job.queue, type: job.type }), "a job was changed");
    },
  };
}
