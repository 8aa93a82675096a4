import { serverDraining } from "../../model/common/errors.js";
import type { Clock } from "../clock.js";
import type { Lease } from "../port/leases.js";
import type { Dispatcher, JobSelector } from "./dispatcher.js";

/** Bytes of jobs after which an answer takes no more: with one large job on top it still fits a client's message. */
const MAX_BYTES = 512 * 1024;

/** A poll for jobs that passed its checks. Durations in ms. */
export interface LongPollRequest extends JobSelector {
  readonly worker: string;
  readonly maxJobs: number;
  /** How long to wait for the first job. 0: only take what is ready now. */
  readonly waitMs: number;
  readonly leaseMs: number;
  /** Makes the poll safe to repeat; see `LeaseRequest`. */
  readonly requestId: string | undefined;
}

/** One poll in flight. */
export interface LongPoll {
  /**
   * Resolves to the leases: none when the wait is over, the caller left, or a repeat of the poll replaced it. Rejects
   * with SERVER_DRAINING, or with what leasing failed with.
   */
  readonly leases: Promise<readonly Lease[]>;
  /**
   * Ends the poll early: REPLACED resolves to no leases, DRAINING rejects with SERVER_DRAINING. When a lease call is in
   * flight and brings leases, the poll resolves to those instead.
   */
  end(reason: "REPLACED" | "DRAINING"): void;
}

/** Begins a poll: it waits in line until there is a job, the wait is over, or `signal` is aborted. */
export function startLongPoll(
  dispatcher: Dispatcher,
  clock: Clock,
  request: LongPollRequest,
  signal: AbortSignal,
): LongPoll {
  const { worker, leaseMs, requestId, maxJobs, waitMs } = request;
  let end: LongPoll["end"] = () => {};
  const leases = new Promise<readonly Lease[]>((resolve, reject) => {
    // Set once the poll has stopped waiting: how to end it if a lease call still in flight brings nothing.
    let finish: (() => void) | undefined;
    const stop = (finally_: () => void): void => {
      if (finish !== undefined) return;
      finish = finally_;
      timer?.cancel();
      signal.removeEventListener("abort", leave);
      if (member.leave()) finish();
    };
    const giveUp = () => stop(() => resolve([]));
    const leave = giveUp;
    const member = dispatcher.join(request, {
      worker,
      leaseMs,
      requestId,
      maxBytes: MAX_BYTES,
      room: () => maxJobs,
      take(leases) {
        stop(() => {});
        if (leases.length > 0) resolve(leases);
        else finish?.();
      },
      fail: (error) => stop(() => reject(error)),
      ...(waitMs === 0 && { dry: giveUp }),
    });
    const timer = waitMs === 0 ? undefined : clock.setTimer(waitMs, giveUp);
    signal.addEventListener("abort", leave);
    end = (reason) => stop(() => (reason === "DRAINING" ? reject(serverDraining()) : resolve([])));
    member.want();
    if (signal.aborted) leave();
  });
  return { leases, end: (reason) => end(reason) };
}
