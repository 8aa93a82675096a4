import { describe, expect, test } from "vitest";
import { EnqueueIds } from "../../../src/model/handler/enqueue-ids.js";
import type { JobRequest } from "../../../src/model/request/validate.js";

/** The ids of these creates in one run of a job, in the order of the requests. */
function idsOf(requests: readonly JobRequest[], jobId = "7@mail"): Promise<string[]> {
  const ids = new EnqueueIds(jobId);
  return Promise.all(requests.map((request) => ids.next(request)));
}

describe("the request ids of jobs that a handler creates", () => {
  const a: JobRequest = { type: "work", payload: '{"n":1}', metadata: { by: "x" } };
  const b: JobRequest = { type: "work", payload: '{"n":2}' };

  test("are the same in each run, in whatever order it creates", async () => {
    const [first, second, again] = await idsOf([a, b, a]);
    expect(await idsOf([b, a, a])).toEqual([second, first, again]);
    expect(new Set([first, second, again]).size).toBe(3);
    expect(first).toMatch(/^job:[\w-]{22}\.0$/);
    expect(again).toBe(first?.replace(/0$/, "1"));
    // The queue of a job is `default` unless it says another.
    expect(
      await idsOf([
        { ...a, queue: "default" },
        { ...b, traceContext: undefined },
      ]),
    ).toEqual([first, second]);
  });

  test("differ by the job that runs, and by all that is created", async () => {
    const [id] = await idsOf([a]);
    const others = await idsOf([
      ...[
        { ...a, queue: "other" },
        { ...a, type: "mail" },
        { ...a, payload: '{"n":10}' },
        { ...a, priority: 1 },
      ],
      ...[
        { ...a, delayMs: 1 },
        { ...a, runAfter: 1 },
        { ...a, maxRetries: 1 },
        { ...a, backoff: { baseDelayMs: 1 } },
      ],
      ...[
        { ...a, timeoutMs: 1 },
        { ...a, ttlMs: 1 },
        { ...a, expiresAt: 1 },
        { ...a, key: "k" },
      ],
      ...[{ ...a, unique: { key: "k" } }, { ...a, metadata: { by: "y" } }, { type: "work" }],
      ...[
        { ...a, payload: new TextEncoder().encode('{"n":1}') },
        { ...a, payload: new Uint8Array() },
      ],
    ]);
    expect(new Set([id, ...others, ...(await idsOf([a], "8@mail"))]).size).toBe(others.length + 2);
  });

  test("are made of what cannot be created too: the create says what is wrong with it", async () => {
    expect(await idsOf([{ type: "work", priority: 1n as never }])).toHaveLength(1);
  });
});
