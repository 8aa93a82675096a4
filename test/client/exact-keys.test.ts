import { createClient as createWebClient } from "gotaskq/client/web";
import { expect, test } from "vitest";
import { startTestServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { clientOf, startWorker } from "./support.js";

/** A key of this name is own, as a JSON parser makes it. */
const PAYLOAD = JSON.parse('{"__proto__":{"a":[{"__proto__":null}]},"constructor":1}');
const METADATA = JSON.parse('{"__proto__":"x","toString":"y"}');

test.each([
  ["the client", (url: string) => clientOf(url)],
  ["the client for browsers", (url: string) => createWebClient(url)],
])("%s and the worker keep every key of payload, result and metadata", async (_which, clientAt) => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const client = clientAt(server.url);
  const { job } = await client.create({ type: "echo", payload: PAYLOAD, metadata: METADATA });
  await startWorker({ url: server.url, handlers: { echo: ({ payload, metadata }) => ({ payload, metadata }) } });
  const done = await within(client.wait(job.id), "the end of the job");
  for (const seen of [job, done, done.result, (await client.list().page()).items[0]]) {
    const { payload, metadata } = seen as typeof job;
    expect(JSON.stringify(payload)).toBe(JSON.stringify(PAYLOAD));
    expect(Object.entries(metadata).sort()).toEqual(Object.entries(METADATA).sort());
  }
});
