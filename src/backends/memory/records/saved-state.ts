import type { SettleKind } from "../../../core/observer.js";
import { LIMITS } from "../../../model/common/limits.js";
import { cutText } from "../../../model/common/text.js";
import type { AttemptError, JobStatus, Payload, Progress } from "../../../model/job/job.js";
import { type ClaimState, claimState } from "../claims.js";
import type { LeaseTokens } from "../lease-tokens.js";
import type { QueuedJob } from "../queue-state.js";
import { fieldsText } from "./fields-text.js";
import type { JobPlace } from "./job-record.js";
import { NEVER, NO_ERRORS, NOTHING_RARE, type RareRun } from "./run-record.js";

/** What became of a job; there is none before its first change. */
export interface SavedState {
  readonly id: string;
  /** See `StateFields`. */
  readonly state: string;
  readonly result: Payload | undefined;
}

/**
 * The fields of `SavedState.state`: those of `RunRecord`, which has times as they pass from the creation, and what else changes with a
 * job. Those that have their first value are left out, and what an older record lacks has it too.
 */
export interface StateFields {
  readonly status?: JobStatus;
  readonly place?: JobPlace;
  readonly runAfter: number;
  /** What it has of its unique key; left out when it was created without one. */
  readonly claim?: ClaimState;
  /** Of its lease. */
  readonly token?: string;
  readonly leaseMs?: number;
  readonly isBuiltIn?: boolean;
  readonly settledToken?: string;
  readonly settledBy?: SettleKind;
  readonly revision?: number;
  readonly deliveries?: number;
  readonly updatedAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly worker?: string;
  readonly retryCount?: number;
  readonly lostLeases?: number;
  readonly error?: string;
  readonly attemptErrors?: readonly AttemptError[];
  readonly resultDropped?: boolean;
  readonly progress?: Progress;
  readonly cancelRequested?: boolean;
}

/** The state of a job now; undefined before its first change. */
export function savedState(record: QueuedJob, tokens: LeaseTokens): SavedState | undefined {
  const { run, status, place, runAfter, startedAt, finishedAt } = record;
  if (run === undefined) return undefined;
  const { lease, settledToken, settledBy, revision, deliveries, worker, rare, result } = run;
  let text = `{"status":"${status}","runAfter":${runAfter}`;
  if (status === "PENDING") text += `,"place":"${place}"`;
  const claim = claimState(record);
  if (claim !== undefined) text += `,"claim":"${claim}"`;
  if (lease !== undefined) text += `,"token":${JSON.stringify(lease.token)},"leaseMs":${lease.leaseMs}`;
  if (lease?.isBuiltIn) text += ',"isBuiltIn":true';
  if (settledToken !== undefined) text += `,"settledToken":${JSON.stringify(tokens.text(settledToken))}`;
  if (settledBy !== undefined) text += `,"settledBy":"${settledBy}"`;
  if (revision !== 1) text += `,"revision":${revision}`;
  if (deliveries !== 0) text += `,"deliveries":${deliveries}`;
  text += `,"updatedAt":${record.updatedAt}`;
  if (startedAt !== undefined) text += `,"startedAt":${startedAt}`;
  if (finishedAt !== undefined) text += `,"finishedAt":${finishedAt}`;
  if (worker !== "") text += `,"worker":${JSON.stringify(worker)}`;
  return { id: record.id, state: `${text}${rare === NOTHING_RARE ? "" : rareText(rare)}}`, result };
}

function rareText({ errorStart: _errorStart, others, ...saved }: Readonly<RareRun>): string {
  return fieldsText({ ...others, ...saved }, NOTHING_RARE);
}

/** Gives a new record the state that a journal kept, but for its lease. */
export function restoreState(record: QueuedJob, state: StateFields, result: Payload | undefined): void {
  const { status = "PENDING", runAfter, place: _place, claim: _claim, ...ofLease } = state;
  const { token: _token, leaseMs: _leaseMs, isBuiltIn: _isBuiltIn, ...fields } = ofLease;
  const { updatedAt, startedAt, finishedAt, settledToken, settledBy, revision = 1, deliveries = 0, ...more } = fields;
  const { worker = "", retryCount = 0, lostLeases = 0, error = "", attemptErrors = NO_ERRORS, ...others } = more;
  const { resultDropped = false, progress, cancelRequested = false, ...unknown } = others;
  const since = (at: number | undefined) => (at === undefined ? NEVER : record.passed(at));
  const run = record.changing;
  record.status = status;
  if (runAfter !== record.runAfter) record.runAfter = runAfter;
  run.settledToken = settledToken;
  run.settledBy = settledBy;
  run.revision = revision;
  run.deliveries = deliveries;
  run.updated = since(updatedAt);
  run.started = since(startedAt);
  run.finished = since(finishedAt);
  run.worker = worker;
  run.result = result;
  run.retryCount = retryCount;
  run.lostLeases = lostLeases;
  run.error = error;
  run.errorStart = cutText(error, LIMITS.changeErrorLength);
  run.attemptErrors = attemptErrors;
  run.resultDropped = resultDropped;
  run.progress = progress;
  run.cancelRequested = cancelRequested;
  if (Object.keys(unknown).length > 0) run.keepOthers(unknown);
}
