import { describe, expect, test } from "vitest";
import { defineHandlers, permanent } from "../../src/handlers/index.js";
import { RawJson } from "../../src/model/job/raw-json.js";
import { runHandler } from "../../src/testing/run-handler.js";

interface Jobs {
  mail: { payload: { to: string; at: Date }; result: { sent: Date } };
  cleanup: { payload?: undefined };
}

const handlers = defineHandlers<Jobs>({
  async mail({ payload }, { progress, logger, enqueue }) {
    progress(50, "half way");
    logger.info({ to: payload.to }, "sending");
    await enqueue({ type: "cleanup" });
    return { sent: new Date(Date.parse(payload.at) + 1000) };
  },
  cleanup: () => {},
});

describe("runHandler", () => {
  test("gives a handler what travels, and tells what it returned and did", async () => {
    const run = await runHandler(handlers.mail, { to: "ann", at: new Date("2026-01-01T00:00:00Z") });
    expect(run).toEqual({
      result: { sent: "2026-01-01T00:00:01.000Z" },
      resultText: '{"sent":"2026-01-01T00:00:01.000Z"}',
      progress: [{ percent: 50, message: "half way" }],
      enqueued: [{ type: "cleanup" }],
      logs: [{ level: "info", fields: { to: "ann" }, message: "sending" }],
    });
    const sent: string = run.result.sent;
    expect(sent).toBeTypeOf("string");
  });

  test("gives it the job that it is told, with the attempt that follows from it", async () => {
    const deadline = new Date();
    const { result } = await runHandler(
      (job, { attempt, deadline }) => [job.id, job.type, job.key, job.queue, attempt, deadline],
      undefined,
      { job: { id: "7@mail", queue: "mail", type: "x", key: "acme", retryCount: 2 }, deadline },
    );
    expect(result).toEqual(["7@mail", "x", "acme", "mail", 3, deadline.toISOString()]);
  });

  test("rejects with what the handler throws, and for what cannot travel", async () => {
    const error = permanent("no such user");
    const failing = () => {
      throw error;
    };
    await expect(runHandler(failing)).rejects.toBe(error);
    await expect(runHandler(() => new Map([[1, 2]]))).rejects.toThrow(
      "the result cannot be written as JSON: it is a Map",
    );
    const payload = { big: 1n } as unknown as string;
    await expect(runHandler(() => 1, payload)).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("runs middleware around it, and hands it a signal", async () => {
    const aborted = AbortSignal.abort(new Error("enough"));
    const calls: string[] = [];
    const handler = (_job: unknown, { signal }: { readonly signal: AbortSignal }) => {
      calls.push("handler");
      signal.throwIfAborted();
    };
    const middleware = [
      async (_job: unknown, _context: unknown, next: () => Promise<unknown>) => {
        calls.push("before");
        return next().finally(() => calls.push("after"));
      },
    ];
    await expect(runHandler(handler, null, { signal: aborted, middleware })).rejects.toThrow("enough");
    expect(calls).toEqual(["before", "handler", "after"]);
  });

  test("tells of jobs that it creates together, and refuses what a queue would", async () => {
    const { result, enqueued } = await runHandler(async (_: unknown, { enqueue, enqueueBatch }) => {
      const made = await enqueueBatch([{ type: "a", payload: 1 }, { type: "b" }]);
      const refused = [
        enqueue({ type: "" }),
        enqueueBatch([{ type: "a" }, { type: "b", priority: 11 }]),
        enqueueBatch([]),
      ].map((call) => call.catch(({ violations }) => violations[0].field));
      return [made.map(({ id }) => id), await Promise.all(refused)];
    });
    expect(result).toEqual([
      ["101", "102"],
      ["type", "requests[1].priority", "requests"],
    ]);
    expect(enqueued).toEqual([{ type: "a", payload: 1 }, { type: "b" }]);
  });

  test("gives a handler its payload to the letter", async () => {
    const letters = (job: { readonly payload: { id: number }; readonly payloadText: string | undefined }) => [
      job.payload.id,
      job.payloadText ?? null,
    ];
    expect((await runHandler(letters, { id: 5 })).result).toEqual([5, '{"id":5}']);
    const payloadText = '{"id":9007199254740993}';
    expect((await runHandler(letters, new RawJson(payloadText))).result).toEqual([9_007_199_254_740_992, payloadText]);
    await expect(runHandler(letters, new RawJson("{"))).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      violations: [{ field: "payload", description: expect.stringMatching(/^is not JSON/) }],
    });
  });

  test("tells what a handler returned to the letter", async () => {
    const text = '{"id": 9007199254740993}';
    expect(await runHandler(() => new RawJson(text))).toMatchObject({
      ...{ result: { id: 9_007_199_254_740_992 }, resultText: text },
    });
    expect((await runHandler(() => [1])).resultText).toBe("[1]");
    expect((await runHandler(() => undefined)).resultText).toBeUndefined();
    await expect(runHandler(() => new RawJson("{"))).rejects.toThrow("the result is not JSON: ");
    await expect(runHandler(() => ({ a: new RawJson("1") }))).rejects.toThrow("it has a RawJson (at result.a)");
  });
});
