import { serverDraining } from "../../model/errors.js";
import type { Lease } from "../backend.js";
import type { Clock } from "../clock.js";
import type { Dispatcher, JobSelector } from "./dispatcher.js";

/** Bytes of jobs after which an answer ends: with a last large one it stays below what clients take in one message. */
const MAX_BYTES = 512 * 1024;

/** What a poll asks for; times in ms. */
export interface LongPollRequest extends JobSelector {
  readonly worker: string;
  readonly maxJobs: number;
  /** 0: answers what is ready now. */
  readonly waitMs: number;
  readonly leaseMs: number;
  readonly requestId: string | undefined;
}

/** One poll under way. */
export interface LongPoll {
  /** The leases; none when the time is over, the caller left, or another took its place. SERVER_DRAINING. */
  readonly leases: Promise<readonly Lease[]>;
  /** Ends it early: with nothing, or as the server drains. What was leased for it by then is answered all the same. */
  end(reason: "REPLACED" | "DRAINING"): void;
}

/** Waits in line until there is a job, the time is over, or `signal` is aborted. */
export function startLongPoll(
  dispatcher: Dispatcher,
  clock: Clock,
  request: LongPollRequest,
  signal: AbortSignal,
): LongPoll {
  const { worker, leaseMs, requestId, maxJobs, waitMs } = request;
  let end: LongPoll["end"] = () => {};
  const leases = new Promise<readonly Lease[]>((resolve, reject) => {
    // What to do when the lease call that is under way for it brings nothing.
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
    member.look();
    if (signal.aborted) leave();
  });
  return { leases, end: (reason) => end(reason) };
}
