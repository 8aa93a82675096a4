import type { Change } from "../../../core/port/changes.js";
import type { Lease, LeaseRef } from "../../../core/port/leases.js";
import type { Peer } from "./peer.js";

interface Holder {
  readonly peer: Peer;
  readonly token: string;
  /** Another server that was answered the same lease: a poll was repeated there. */
  readonly other: Holder | undefined;
}

/** Which server has which lease: it is told when that ends without its doing, or is to be cancelled. */
export class LeaseHolders {
  readonly #holders = new Map<string, Holder>();

  /** These leases were answered to a server. */
  leased(peer: Peer, leases: readonly Lease[]): void {
    for (const { job, token } of leases) {
      const before = this.#holders.get(job.id);
      const other = before?.token === token && before.peer !== peer ? before : undefined;
      this.#holders.set(job.id, { peer, token, other });
    }
  }

  /** A server settles these leases, and needs not be told of its own that they are over. */
  settling(peer: Peer, refs: readonly LeaseRef[]): void {
    for (const { jobId, token } of refs) {
      const holder = this.#holders.get(jobId);
      if (holder?.token === token) this.#set(jobId, without(holder, peer));
    }
  }

  /** Calls `tell` for each server that a change concerns. */
  changed(change: Change, tell: (peer: Peer) => void): void {
    if (this.#holders.size === 0) return;
    const { jobId, status, deleted, cancelRequested } = change;
    const isRunning = status === "RUNNING" && !deleted;
    if (isRunning && !cancelRequested) return;
    const holder = this.#holders.get(jobId);
    if (holder === undefined) return;
    if (!isRunning) this.#holders.delete(jobId);
    for (let each: Holder | undefined = holder; each !== undefined; each = each.other) tell(each.peer);
  }

  /** A server is gone: its leases are over when they run out, and it is not to be told. */
  gone(peer: Peer): void {
    for (const [jobId, holder] of this.#holders) this.#set(jobId, without(holder, peer));
  }

  #set(jobId: string, holder: Holder | undefined): void {
    if (holder === undefined) this.#holders.delete(jobId);
    else this.#holders.set(jobId, holder);
  }
}

/** Who has a lease but for one server; undefined: nobody else. */
function without(holder: Holder, peer: Peer): Holder | undefined {
  const other = holder.other && without(holder.other, peer);
  if (holder.peer === peer) return other;
  return other === holder.other ? holder : { ...holder, other };
}
