import { expect, test } from "vitest";
import { isNotBegun } from "../../src/client/convert/errors.js";
import type { TaskQueueError } from "../../src/model/common/errors.js";
import { startTestServer } from "../support/server.js";
import { signal } from "../support/signal.js";
import { within } from "../support/wait.js";
import { clientOf } from "./support.js";

/** More streams than nghttp2 lets a client reset at once. */
const STREAMS = 2000;

test("streams of one connection that are all cancelled at once harm no other call and no other stream", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const failures: unknown[] = [];
  // What the server refuses before it begins with it, as it has too many streams that are still ending, is made again and harmed nobody.
  const onRetry = (error: TaskQueueError) => void (isNotBegun(error) || failures.push(error));
  const client = clientOf(server.url, { onRetry });
  const { job } = await client.create({ type: "nobody" });
  const leave = new AbortController();
  const allOpen = signal();
  let open = 0;
  const kept = client.watchJob(job.id)[Symbol.asyncIterator]();
  await kept.next();
  const watch = async () => {
    for await (const _ of client.watchJob(job.id, { signal: leave.signal })) if (++open === STREAMS) allOpen.fire();
  };
  const ended = Promise.allSettled(Array.from({ length: STREAMS }, watch));
  await within(allOpen.fired, "the first message of every stream", 30_000);
  leave.abort();
  const calls = Array.from({ length: 20 }, () => client.create({ type: "nobody" }));
  expect(await within(Promise.all(calls), "the creates")).toHaveLength(20);
  const ends = await within(ended, "the ends of the streams");
  expect(ends.every(({ status }) => status === "rejected")).toBe(true);
  await client.cancel(job.id);
  expect((await within(kept.next(), "the change")).value).toMatchObject({ status: "CANCELED" });
  expect(failures).toEqual([]);
});
