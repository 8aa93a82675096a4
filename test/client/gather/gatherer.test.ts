import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobNotFound, TaskQueueError } from "../../../src/model/common/errors.js";
import { startGatherer, turn } from "./support.js";

describe("a gatherer", () => {
  test("makes a lone call as it is, in the turn that it comes in", async () => {
    const { asked, add, gatherer } = startGatherer();
    const { signal } = new AbortController();
    const answer = add("a", { signal });
    await new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(() => process.nextTick(resolve))));
    expect(asked).toMatchObject([{ items: ["a"], options: { timeoutMs: 30_000 } }]);
    expect(asked[0]?.options.signal).toBe(signal);
    asked[0]?.answer();
    expect(await answer).toBe("a!");
    await turn();
    expect(gatherer.size).toBe(0);
  });

  test("makes one call of those of a turn, however late in it they come", async () => {
    const { asked, add } = startGatherer();
    const first = add("a");
    const second = add("b");
    const third = Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => add("c"));
    await turn();
    expect(asked.map(({ items }) => items)).toEqual([["a", "b", "c"]]);
    asked[0]?.answer();
    expect(await Promise.all([first, second, third])).toEqual(["a!", "b!", "c!"]);
  });

  test("gathers what comes while a call is in flight, with what its callers ask for next", async () => {
    const { asked, add } = startGatherer();
    const first = add("a").then(() => add("a2"));
    await turn();
    const others = [add("b"), add("c")];
    await turn();
    expect(asked.map(({ items }) => items)).toEqual([["a"]]);
    asked[0]?.answer();
    await turn();
    expect(asked.map(({ items }) => items)).toEqual([["a"], ["b", "c", "a2"]]);
    asked[1]?.answer();
    expect(await Promise.all([...others, first])).toEqual(["b!", "c!", "a2!"]);
  });

  test("lets a call that takes long hold others up for little", async () => {
    const { clock, asked, add } = startGatherer();
    void add("a");
    await turn();
    void add("b");
    void add("c");
    await clock.advance(4);
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    expect(asked.map(({ items }) => items)).toEqual([["a"], ["b", "c"]]);
    void add("d");
    await clock.advance(9);
    expect(asked).toHaveLength(2);
    await clock.advance(1);
    expect(asked[2]?.items).toEqual(["d"]);
    expect(clock.timers).toBe(0);
  });

  test("puts no more in a call than there is room for, in number and bytes, and sends full ones at once", async () => {
    const { asked, add, gatherer } = startGatherer();
    const many = Array.from({ length: 2500 }, (_, index) => add(String(index)));
    await turn();
    expect(asked.map(({ items }) => items.length)).toEqual([1000, 1000]);
    asked[0]?.answer();
    asked[1]?.answer();
    await turn();
    expect(asked.map(({ items }) => items.length)).toEqual([1000, 1000, 500]);
    asked[2]?.answer();
    expect(await Promise.all(many)).toEqual(many.map((_, index) => `${index}!`));
    const half = 2 ** 19;
    const large = [add("a", { bytes: half }), add("b", { bytes: half }), add("c", { bytes: 2 * half }), add("d")];
    await turn();
    expect(asked.slice(3).map(({ items }) => items)).toEqual([["a", "b"], ["c"]]);
    asked[3]?.answer();
    asked[4]?.answer();
    await turn();
    asked[5]?.answer();
    expect(await Promise.all(large)).toEqual(["a!", "b!", "c!", "d!"]);
    await turn();
    expect(gatherer.size).toBe(0);
  });

  test("keeps a bound on the full calls that are in flight", async () => {
    const { asked, add } = startGatherer();
    for (let index = 0; index < 10_000; index++) void add(String(index));
    await turn();
    expect(asked.map(({ items }) => items.length)).toEqual([1000, 1000, 1000, 1000]);
    asked[0]?.answer();
    await turn();
    expect(asked).toHaveLength(5);
  });

  test("gives each caller its own answer or its own error", async () => {
    const { asked, add } = startGatherer();
    const calls = [add("a"), add("b")];
    await turn();
    asked[0]?.answer(["x", jobNotFound("b")]);
    const [a, b] = await Promise.allSettled(calls);
    expect(a).toEqual({ status: "fulfilled", value: "x" });
    expect(b).toMatchObject({ status: "rejected", reason: { reason: "JOB_NOT_FOUND", metadata: { job_id: "b" } } });
  });

  test("asks again for what an answer had no room for, in calls as large as that answer", async () => {
    const { asked, add } = startGatherer();
    const left = new AbortController();
    const calls = ["a", "b", "c", "d", "e", "f"].map((item) => add(item, item === "c" ? { signal: left.signal } : {}));
    const gone = calls[2]?.catch((reason) => reason);
    await turn();
    left.abort("gone");
    asked[0]?.answer(["a!", "b!"]);
    await turn();
    expect(asked.slice(1).map(({ items }) => items)).toEqual([["d", "e"], ["f"]]);
    asked[1]?.answer(["d!"]);
    asked[2]?.answer();
    await turn();
    expect(asked[3]?.items).toEqual(["e"]);
    asked[3]?.answer();
    expect(await gone).toBe("gone");
    expect(await Promise.all(calls.filter((_, index) => index !== 2))).toEqual(["a!", "b!", "d!", "e!", "f!"]);
    const unanswered = [add("x"), add("y")];
    await turn();
    asked[4]?.answer([]);
    for (const call of unanswered) await expect(call).rejects.toMatchObject({ reason: "INTERNAL" });
  });

  test("gathers only calls with equal headers, and keeps nothing of headers that nobody sends any more", async () => {
    const { asked, gatherer } = startGatherer();
    const add = (item: string, tenant: string) =>
      gatherer.add({ item, bytes: 1, timeoutMs: 1000 }, { "x-tenant": tenant });
    const calls = [add("a1", "a"), add("b1", "b"), add("a2", "a"), add("b2", "b")];
    await turn();
    expect(asked).toMatchObject([
      { items: ["a1", "a2"], options: { headers: { "x-tenant": "a" } } },
      { items: ["b1", "b2"], options: { headers: { "x-tenant": "b" } } },
    ]);
    expect(gatherer.size).toBe(2);
    for (const { answer } of asked) answer();
    await Promise.all(calls);
    await turn();
    expect(gatherer.size).toBe(0);
  });

  test("lets an abort end the wait of its caller only", async () => {
    const { asked, add } = startGatherer();
    const inFlight = new AbortController();
    const unsent = new AbortController();
    const calls = [add("a"), add("b", { signal: inFlight.signal }), add("c", { signal: unsent.signal })];
    unsent.abort("too late");
    await expect(calls[2]).rejects.toBe("too late");
    await turn();
    expect(asked[0]?.items).toEqual(["a", "b"]);
    inFlight.abort("enough");
    await expect(calls[1]).rejects.toBe("enough");
    expect(asked[0]?.options.signal).toBeUndefined();
    asked[0]?.answer();
    expect(await calls[0]).toBe("a!");
  });

  test("ends a call when none of its callers waits any more, and sends nothing for callers that left before", async () => {
    const { clock, asked, add, gatherer } = startGatherer();
    const controllers = [new AbortController(), new AbortController(), new AbortController()] as const;
    const calls = controllers.map(({ signal }, index) => add(String(index), { signal }).catch((reason) => reason));
    await turn();
    const { signal } = asked[0]?.options ?? {};
    controllers[0].abort(0);
    controllers[1].abort(1);
    expect(signal?.aborted).toBe(false);
    controllers[2].abort(2);
    expect(signal?.aborted).toBe(true);
    expect(await Promise.all(calls)).toEqual([0, 1, 2]);
    const late = new AbortController();
    const gone = add("late", { signal: late.signal }).catch((reason) => reason);
    late.abort("gone");
    asked[0]?.fail(new ConnectError("aborted", Code.Canceled));
    expect(await gone).toBe("gone");
    await turn();
    expect(asked).toHaveLength(1);
    expect([gatherer.size, clock.timers]).toEqual([0, 0]);
  });

  test("has the longest deadline of its callers", async () => {
    const { clock, asked, add } = startGatherer();
    void add("a");
    await turn();
    void add("b", { timeoutMs: 100 });
    await clock.advance(3);
    void add("c", { timeoutMs: 50 });
    asked[0]?.answer();
    await turn();
    expect(asked[1]).toMatchObject({ items: ["b", "c"], options: { timeoutMs: 97 } });
  });

  test("gives each caller an error of its own when the server is away", async () => {
    const { asked, add } = startGatherer();
    const calls = [add("a"), add("b")];
    await turn();
    asked[0]?.fail(new ConnectError("away", Code.Unavailable));
    const errors = await Promise.all(calls.map((call) => call.catch((error) => error)));
    for (const error of errors) {
      expect(error).toBeInstanceOf(TaskQueueError);
      expect(error).toMatchObject({ code: "UNAVAILABLE", message: "away" });
    }
    expect(errors[0]).not.toBe(errors[1]);
    expect(asked).toHaveLength(1);
  });

  test("asks item by item for what was refused as a whole, so that one item refuses no other", async () => {
    const { asked, add } = startGatherer();
    const left = new AbortController();
    const calls = [add("a"), add("b"), add("c", { signal: left.signal })];
    calls[2]?.catch(() => {});
    await turn();
    left.abort();
    asked[0]?.fail(new ConnectError("requests[1].type is wrong", Code.InvalidArgument));
    await turn();
    expect(asked.slice(1).map(({ items }) => items)).toEqual([["a"], ["b"]]);
    asked[1]?.answer();
    asked[2]?.fail(new ConnectError("type is wrong", Code.InvalidArgument));
    expect(await calls[0]).toBe("a!");
    await expect(calls[1]).rejects.toMatchObject({ message: expect.stringContaining("type is wrong") });
  });

  test("asks item by item when a call could not be made, as for an item that no message can carry", async () => {
    const { asked, add } = startGatherer();
    const calls = [add("a"), add("b")];
    await turn();
    asked[0]?.fail(new TypeError("cannot encode"));
    await turn();
    asked[1]?.answer();
    asked[2]?.fail(new TypeError("cannot encode"));
    expect(await calls[0]).toBe("a!");
    await expect(calls[1]).rejects.toThrow("cannot encode");
  });

  test("lets calls go alone for a while after a server that has no call for several", async () => {
    const { clock, asked, add } = startGatherer();
    const calls = [add("a"), add("b")];
    await turn();
    asked[0]?.fail(new ConnectError("unknown method", Code.Unimplemented));
    await turn();
    const [, ...alone] = asked;
    for (const { answer } of alone) answer();
    expect(await Promise.all(calls)).toEqual(["a!", "b!"]);
    void add("c");
    void add("d");
    await turn();
    expect(asked.slice(3).map(({ items }) => items)).toEqual([["c"], ["d"]]);
    await clock.advance(60_000);
    void add("e");
    void add("f");
    await turn();
    expect(asked.at(-1)?.items).toEqual(["e", "f"]);
  });

  test("answers each call once and in bounds, whatever comes when", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), bytes: fc.integer({ min: 1, max: 2 ** 20 + 5 }) }),
      fc.record({ kind: fc.constant("answer" as const), at: fc.nat(5) }),
      fc.record({ kind: fc.constant("fail" as const), at: fc.nat(5) }),
      fc.record({ kind: fc.constant("abort" as const), at: fc.nat(5) }),
      fc.record({ kind: fc.constant("time" as const), ms: fc.nat(30) }),
      fc.record({ kind: fc.constant("turn" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, asked, add, gatherer } = startGatherer();
        const sizes = new Map<string, number>();
        const aborts: AbortController[] = [];
        const outcomes: Promise<string>[] = [];
        const open = new Set<(typeof asked)[number]>();
        let seen = 0;
        const look = () => {
          for (; seen < asked.length; seen++) open.add(asked[seen] as (typeof asked)[number]);
        };
        for (const one of steps) {
          look();
          if (one.kind === "add") {
            const item = String(sizes.size);
            sizes.set(item, one.bytes);
            const controller = new AbortController();
            aborts.push(controller);
            const own = add(item, { bytes: one.bytes, signal: controller.signal });
            outcomes.push(own.then((answer) => (answer === `${item}!` ? "own" : answer)).catch(() => "error"));
          } else if (one.kind === "answer" || one.kind === "fail") {
            const call = [...open][one.at];
            if (call === undefined) continue;
            open.delete(call);
            if (one.kind === "answer") call.answer();
            else call.fail(new ConnectError("away", Code.Unavailable));
          } else if (one.kind === "abort") aborts[one.at]?.abort();
          else if (one.kind === "time") await clock.advance(one.ms);
          else await turn();
        }
        for (let rounds = 0; rounds < sizes.size + 2; rounds++) {
          await turn();
          look();
          for (const call of open) call.answer();
          open.clear();
        }
        for (const outcome of await Promise.all(outcomes)) expect(["own", "error"]).toContain(outcome);
        const sent = asked.flatMap(({ items }) => items);
        expect(new Set(sent).size).toBe(sent.length);
        for (const { items } of asked) {
          const bytes = items.reduce((sum, item) => sum + (sizes.get(item) ?? 0), 0);
          if (items.length > 1) expect(bytes).toBeLessThanOrEqual(2 ** 20);
        }
        expect([gatherer.size, clock.timers]).toEqual([0, 0]);
      }),
    );
  });
});
