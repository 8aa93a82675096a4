import { beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../../support/server.js";
import { failure, newQueue, RUNTIMES } from "../support.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe.each(RUNTIMES)("a client %s", (_name, connect) => {
  test("lists, counts, cancels and deletes the jobs that match a filter", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const made = await client.createBatch(
      ["a", "b", "a"].map((tenant) => ({ queue, type: "none", payload: 1, metadata: { tenant }, key: tenant })),
    );
    const filter = { queues: [queue], metadata: { tenant: "a" } };
    expect((await client.list({ queue, keys: ["b", "none"] }).page()).items.map(({ id }) => id)).toEqual([made[1]?.id]);
    expect((await client.list({ queue, keys: [""] }).page()).items).toEqual([]);
    const page = await client.list({ ...filter, order: "OLDEST", view: "BASIC", pageSize: 1 }).page();
    const rest = await client.list({ ...filter, order: "OLDEST", pageToken: page.nextPageToken }).page();
    expect([...page.items, ...rest.items].map(({ id, payload }) => [id, payload])).toEqual([
      [made[0]?.id, undefined],
      [made[2]?.id, 1],
    ]);
    const end = { hasMore: false, nextPageToken: "" };
    expect(await client.count({ ids: made.map(({ id }) => id), createdAfter: 1, statuses: ["PENDING"] })).toEqual({
      ...{ count: 3, ...end },
    });
    expect(await client.cancelMatching(filter, { dryRun: true })).toEqual({ count: 2, ...end });
    const first = await client.cancelMatching(filter, { max: 1 });
    expect(first).toMatchObject({ count: 1, hasMore: true });
    expect(await client.cancelMatching(filter, { pageToken: first.nextPageToken })).toEqual({ count: 1, ...end });
    expect(await client.deleteMatching({ ...filter, statuses: ["CANCELED"] })).toEqual({ count: 2, ...end });
    expect((await client.list({ queue }).page()).items.map(({ id }) => id)).toEqual([made[1]?.id]);
    for (const call of [client.cancelMatching, client.deleteMatching]) {
      expect(await failure(call({}))).toMatchObject({ violations: [{ field: "filter" }] });
      expect(await failure(call({ queues: ["none"] }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    }
    const bad = await failure(
      client.list({ ids: ["x"], errorEquals: "x".repeat(5000), order: "UP" as "NEWEST" }).page(),
    );
    expect(bad.violations.map(({ field }) => field)).toEqual(["order", "ids[0]", "errorEquals"]);
  });

  test("counts dead jobs by queue, type and error, and replays exactly one group", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const die = (message: string) => client.createAndWait({ queue, type: "fail", payload: { message }, maxRetries: 0 });
    await die("timeout");
    await die("timeout after 5 s");
    const last = await die("timeout after 16 s");
    const { groups, ...counts } = await client.dlq.summarize({ queue });
    expect(counts).toEqual({ count: 3, otherCount: 0, hasMore: false, nextPageToken: "" });
    const group = { queue, type: "fail", error: "timeout after # s", count: 2, sampleId: last.id };
    expect(groups).toMatchObject([
      { ...group, lastDiedAt: last.finishedAt },
      { error: "timeout", count: 1 },
    ]);
    expect(await client.dlq.summarize({ queue }, { maxGroups: 1 })).toMatchObject({ groups: [group], otherCount: 1 });
    expect((await client.dlq.list({ queue, errorEquals: "timeout", view: "BASIC" }).page()).items).toMatchObject([
      { error: "timeout", payload: undefined },
    ]);
    expect(await client.dlq.deleteMatching({ queue, errorGroup: group.error })).toMatchObject({ count: 2 });
    expect((await client.dlq.list({ queues: [queue], order: "OLDEST" }).page()).items).toMatchObject([
      { error: "timeout" },
    ]);
  });
});
