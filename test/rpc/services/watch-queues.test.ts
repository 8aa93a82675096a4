import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import type { WatchQueuesResponse } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { created, type Reader, reading } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

function watch(names: string[]): Reader<WatchQueuesResponse> {
  return reading(server.queues.watchQueues({ names, minInterval: durationFromMs(100) }));
}

/** Resolves to the watched queues of the next snapshot. */
async function next(stream: Reader<WatchQueuesResponse>) {
  const { event } = (await stream.until(({ event }) => event.case === "snapshot")).at(-1) ?? {};
  return event?.case === "snapshot" ? event.value.queues : [];
}

describe("WatchQueues", () => {
  test("begins with a heartbeat and all figures at once", async () => {
    const name = await newQueue(server, "at-once");
    await created(server, { queue: name, type: "unknown-to-all" });
    const stream = watch([]);
    expect((await stream.next()).event.case).toBe("heartbeat");
    const queues = await next(stream);
    expect(queues.map(({ name }) => name)).toEqual(expect.arrayContaining(["at-once", "default"]));
    expect(queues.find((queue) => queue.name === name)).toMatchObject({ stats: { ready: 1 } });
  });

  test("tells the figures again when they changed", async () => {
    const name = await newQueue(server, "changing");
    const stream = watch([name]);
    expect((await next(stream)).map(({ stats }) => stats?.ready)).toEqual([0]);
    await created(server, { queue: name, type: "unknown-to-all" });
    expect((await next(stream)).map(({ stats }) => stats?.ready)).toEqual([1]);
    await server.queues.pauseQueue({ name });
    expect((await next(stream)).map(({ paused }) => paused)).toEqual([true]);
  });

  test("tells of queues that come and go", async () => {
    const stream = watch([]);
    const has = async (name: string) => (await next(stream)).some((queue) => queue.name === name);
    expect(await has("come-and-go")).toBe(false);
    await newQueue(server, "come-and-go");
    expect(await has("come-and-go")).toBe(true);
    await server.queues.deleteQueue({ name: "come-and-go" });
    expect(await has("come-and-go")).toBe(false);
  });

  test("watches a name before its queue exists", async () => {
    const stream = watch(["to-come"]);
    expect(await next(stream)).toEqual([]);
    await newQueue(server, "to-come");
    expect((await next(stream)).map(({ name }) => name)).toEqual(["to-come"]);
  });
});
