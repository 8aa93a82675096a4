import { describe, expect, test, vi } from "vitest";
import type { PollAnswer } from "../../../src/core/remote/poll-answer.js";
import { settle } from "../../support/fake-clock.js";
import { type Fixture, started } from "../support/fixture.js";
import { complete, idsOf, openPoll, WORKER } from "../support/remote.js";

const LEASE_MS = 3000;

/** Polls for one job. Returns its id, and the answer that is being written. */
async function polled(fixture: Fixture, requestId = ""): Promise<{ id: string; answer: PollAnswer }> {
  const id = await fixture.create();
  const request = { ...WORKER, maxJobs: 10, leaseMs: LEASE_MS, requestId };
  const leases = (await openPoll(fixture, request)).answer ?? [];
  expect(idsOf(leases)).toEqual([id]);
  return { id, answer: fixture.engine.remote.answering(leases, request) };
}

describe("the answer to a poll", () => {
  test("keeps its leases while it is written, and they begin anew when it has left", async () => {
    const fixture = await started();
    const { id, answer } = await polled(fixture);
    await fixture.clock.advance(20_000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1 });
    answer.left();
    await settle();
    await fixture.clock.advance(LEASE_MS - 100);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(200);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", lostLeases: 1 });
  });

  test("that left at once leaves its leases to the worker, who lets them run out", async () => {
    const fixture = await started();
    const { id, answer } = await polled(fixture);
    answer.left();
    answer.failed();
    await fixture.clock.advance(LEASE_MS + 100);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", deliveries: 1, lostLeases: 1 });
  });

  test("that could not be written gives them back at once, with nothing counted", async () => {
    const fixture = await started();
    const { id, answer } = await polled(fixture);
    answer.failed();
    answer.left();
    await settle();
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", lostLeases: 0, retryCount: 0 });
    expect(fixture.engine.remote.list()[0]?.jobIds).toEqual([]);
  });

  test("with a request id keeps them for a repeat, and gives them back uncounted when none comes", async () => {
    const fixture = await started();
    const { id, answer } = await polled(fixture, "r");
    answer.failed();
    await fixture.clock.advance(LEASE_MS - 700);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(500);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", deliveries: 1, lostLeases: 0 });
  });

  test.each([
    ["was answered again", (fixture: Fixture) => polledAgain(fixture)],
    ["was extended at another server", (fixture: Fixture, id: string) => extendedElsewhere(fixture, id)],
  ])("with a request id takes nothing from a worker that %s", async (_, claim) => {
    const fixture = await started();
    const { id, answer } = await polled(fixture, "r");
    answer.failed();
    await fixture.clock.advance(1000);
    await claim(fixture, id);
    await fixture.clock.advance(LEASE_MS - 200);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1 });
  });

  test("with a request id takes nothing from a repeat that comes while it is about to give back", async () => {
    const fixture = await started();
    const { id, answer } = await polled(fixture, "r");
    answer.failed();
    const { extend } = fixture.backend;
    let isRepeated = false;
    vi.spyOn(fixture.backend, "extend").mockImplementation(async (items) => {
      const results = await extend(items);
      if (!isRepeated) {
        isRepeated = true;
        await polledAgain(fixture);
      }
      return results;
    });
    await fixture.clock.advance(LEASE_MS - 200);
    expect(isRepeated).toBe(true);
    await fixture.clock.advance(LEASE_MS - 1000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1 });
  });

  test("forgets a lease that was settled meanwhile", async () => {
    const fixture = await started();
    await fixture.create();
    const request = { ...WORKER, maxJobs: 1, leaseMs: LEASE_MS };
    const leases = (await openPoll(fixture, request)).answer ?? [];
    const answer = fixture.engine.remote.answering(leases, request);
    expect(await complete(fixture, ...leases)).toEqual(["APPLIED"]);
    answer.failed();
    await fixture.clock.advance(1000);
    expect(await fixture.status(leases[0]?.job.id ?? "")).toBe("DONE");
  });
});

/** The worker repeats its poll, and the answer reaches it. */
async function polledAgain(fixture: Fixture): Promise<void> {
  const request = { ...WORKER, maxJobs: 10, leaseMs: LEASE_MS, requestId: "r" };
  const leases = (await openPoll(fixture, request)).answer ?? [];
  fixture.engine.remote.answering(leases, request).left();
  await settle();
}

async function extendedElsewhere(fixture: Fixture, id: string): Promise<void> {
  const request = { ...WORKER, max: 0, leaseMs: LEASE_MS, requestId: "r" };
  const [lease] = await fixture.backend.lease(request);
  await fixture.backend.extend([{ jobId: id, token: lease?.token ?? "", leaseMs: LEASE_MS }]);
}
