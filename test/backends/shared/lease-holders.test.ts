import { expect, test } from "vitest";
import { LeaseHolders } from "../../../src/backends/shared/store/lease-holders.js";
import type { Peer } from "../../../src/backends/shared/store/peer.js";
import type { Change } from "../../../src/core/port/changes.js";
import type { Lease } from "../../../src/core/port/leases.js";

const peer = (name: string) => ({ name }) as unknown as Peer;
const LEASE = { job: { id: "1" }, token: "t" } as Lease;
const LOST = { jobId: "1", status: "PENDING", deleted: false, cancelRequested: false } as Change;

/** Those who are told that the lease is over. */
function told(holders: LeaseHolders): Peer[] {
  const peers: Peer[] = [];
  holders.changed(LOST, (each) => peers.push(each));
  return peers;
}

const [a, b, c] = [peer("a"), peer("b"), peer("c")] as const;

test.each([
  ["that had it first", a, [c, b]],
  ["between", b, [c, a]],
  ["that had it last", c, [b, a]],
])("a server is gone that had a lease with others, the one %s: the others are told of it still", (_, gone, left) => {
  for (const end of ["gone", "settling"] as const) {
    const holders = new LeaseHolders();
    for (const each of [a, b, c]) holders.leased(each, [LEASE]);
    if (end === "gone") holders.gone(gone);
    else holders.settling(gone, [{ jobId: "1", token: "t" }]);
    expect(told(holders)).toEqual(left);
    expect(told(holders)).toEqual([]);
  }
});
