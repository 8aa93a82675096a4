import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { Recorder } from "../contract/harness.js";
import { add, addOne, createQueue, done, lease, leaseOne, only } from "../contract/support.js";
import { newPrefix, openBackend, openEngine } from "./support/open.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ port: true });
});

interface Tenant {
  readonly url: string;
  readonly prefix: string;
}

function on(database: number, prefix: string): Tenant {
  return { url: `${redis.url}/${database}`, prefix };
}

/** Tenants whose names begin, end or are put together alike. */
function tenants(): Tenant[] {
  const prefix = newPrefix();
  return [
    ...[on(0, prefix), on(1, prefix), on(11, prefix)],
    ...[
      on(0, `${prefix}:1`),
      on(1, `${prefix}:1`),
      on(0, `${prefix}1`),
      on(0, `${prefix}:events`),
      on(0, `${prefix}:`),
    ],
  ];
}

describe("tenants of one Redis", () => {
  test("hear nothing of each other: of jobs with the same ids and queues, each hears its own", async () => {
    const all = await Promise.all(tenants().map((tenant) => openBackend(tenant)));
    const id = "123456789012345678@mail";
    for (const { backend } of all) {
      await createQueue(backend, "mail");
      await add(backend, { id, queue: "mail" });
      await leaseOne(backend, { queues: ["mail"] });
    }
    // Each asks for the cancel of its own in turn; the others have the same job running.
    for (const [turn, { backend }] of all.entries()) {
      await backend.cancel(id);
      for (const other of all.slice(turn + 1)) {
        expect(only(await other.backend.get([id]))).toMatchObject({ status: "RUNNING", cancelRequested: false });
      }
    }
    for (const { backend, heard } of all) {
      // The channels of one Redis are in order: whatever came before this was heard before it.
      heard.readyHeard = [];
      await add(backend, { type: "mark" });
      await eventually(async () => heard.changesHeard.some(({ type }) => type === "mark") || undefined, "the mark");
      const story = heard.changesHeard.filter((change) => change.jobId === id);
      expect(story.map(({ status, cancelRequested }) => [status, cancelRequested])).toEqual([
        ...[["PENDING", false] as const, ["RUNNING", false] as const, ["RUNNING", true] as const],
      ]);
      expect(heard.changesHeard).toHaveLength(4);
      expect(heard.resyncsHeard).toBe(0);
    }
  });

  test("are nodes of their own, and one's queues, jobs and leases are not the others'", async () => {
    const all = await Promise.all(tenants().map((tenant) => openBackend(tenant)));
    expect(all.map(({ backend }) => backend.node)).toEqual(all.map(() => 0));
    const [first, ...others] = all.map(({ backend }) => backend);
    if (first === undefined) throw new Error("no tenant");
    await createQueue(first, "mail");
    const id = await addOne(first, { queue: "mail" });
    const held = await leaseOne(first, { queues: ["mail"] });
    for (const other of others) {
      expect(await other.queueNames()).toEqual([{ name: "default", weight: 1 }]);
      expect(await other.get([id])).toEqual([undefined]);
      expect(await lease(other, { queues: ["mail", "default"] })).toEqual([]);
      expect(only(await other.complete([done(held)])).outcome).toBe("LEASE_LOST");
      await expect(other.cancel(id)).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
      await expect(other.deleteQueue("mail", true)).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    }
    expect(only(await first.complete([done(held)])).outcome).toBe("APPLIED");
  });

  test("write nothing outside their own database and prefix", async () => {
    const [prefix, other] = [newPrefix(), newPrefix()];
    const { backend } = await openBackend(on(2, prefix));
    await openBackend(on(2, other));
    const before = await redis.client({ db: 2 }).keys(`${other}:*`);
    await createQueue(backend, "mail");
    await add(backend, { queue: "mail", requestId: "once" }, { queue: "mail", delayMs: 10_000 });
    await backend.complete([done(await leaseOne(backend, { queues: ["mail"] }))]);
    await backend.deleteQueue("mail", true);
    const keys = await redis.client({ db: 2 }).keys("*");
    expect(keys.filter((key) => !key.startsWith(`${prefix}:{`) && !before.includes(key))).toEqual([]);
    expect(await redis.client({ db: 0 }).keys(`${prefix}*`)).toEqual([]);
  });

  test("believe nothing that is said on another channel", async () => {
    const tenant = on(3, newPrefix());
    const { backend, heard } = await openBackend(tenant);
    const admin = redis.client();
    for (const channel of [`${tenant.prefix}:events`, createKeys(tenant.prefix).channel]) {
      await admin.publish(channel, "default 0 0 0 0 -1 r. -\n");
      await admin.publish(channel, "forged 0 0 0 0 -1 q. -\n9999999999999 +1:1\n");
    }
    heard.readyHeard = [];
    heard.queuesHeard = 0;
    await createQueue(backend, "mail");
    await add(backend, { queue: "mail" });
    await within(heard.heardReady("mail"), "the mark");
    expect(heard.readyHeard).not.toContain("default");
    expect((await backend.queueNames()).map(({ name }) => name)).toEqual(["default", "mail"]);
  });

  test("whatever their prefixes and databases, no key and no channel is that of another", () => {
    const prefixes = fc.stringMatching(/^[a1:._-]{1,6}$|^[a1]:(events|1|0)(:events|:1|:0)?$/);
    const parts = fc.stringMatching(/^[a1:{}*e]{0,8}$/);
    const place = fc.record({
      prefix: prefixes,
      database: fc.constantFrom(0, 1, 11),
      queue: fc.stringMatching(/^[a1._-]{1,4}$/),
      rest: parts,
    });
    fc.assert(
      fc.property(place, place, (one, two) => {
        const isSame = one.prefix === two.prefix && one.database === two.database;
        const [a, b] = [one, two].map(({ prefix, database }) => createKeys(prefix, database));
        if (a === undefined || b === undefined || isSame) return;
        expect(a.channel).not.toBe(b.channel);
        if (one.prefix === two.prefix) return;
        const keysOf = (keys: typeof a, { queue, rest }: typeof one) => [
          ...[keys.queue(queue), keys.log(queue), keys.position(queue), `${keys.queue(queue).slice(0, -1)}r:${rest}`],
          ...[keys.queues, keys.gone, keys.listed, keys.schema, keys.store, keys.nodes, keys.owners],
        ];
        const others = new Set(keysOf(b, two));
        expect(keysOf(a, one).filter((key) => others.has(key))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test.each(["", "a{b}", "{*}", "a b", "a\n", "a*", "ä", "a".repeat(65)])(
    "a prefix that could be mixed up is refused: %j",
    (prefix) => {
      const create = () =>
        createRedisBackend({ clock: createSystemClock(), logger: silentLogger }, { url: redis.url, prefix });
      expect(create).toThrow(/the prefix must be 1 to 64 letters/);
    },
  );
});

describe("a server that may not choose its database any more", () => {
  test("stays away from the one that it gets instead, and goes on when it may", async () => {
    const own = await startRedis({ port: true });
    const admin = own.client();
    await admin.call("ACL", "SETUSER", "worker", "on", ">secret", "+@all", "~*", "&*");
    const url = `${own.url.replace("redis://", "redis://worker:secret@")}/1`;
    const prefix = newPrefix();
    const backend = createRedisBackend({ clock: createSystemClock(), logger: silentLogger }, { url, prefix });
    const heard = new Recorder();
    let [gone, back] = [signal(), signal()];
    heard.available = (isAvailable?: boolean) => (isAvailable ? back : gone).fire();
    await backend.start(heard);
    try {
      back = signal();
      await admin.call("ACL", "SETUSER", "worker", "-select");
      await admin.call("CLIENT", "KILL", "USER", "worker");
      await within(gone.fired, "the news that Redis is away");
      await expect(add(backend, {})).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
      await expect(createQueue(backend, "mail")).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
      expect(await admin.keys("*")).toEqual([]);
      gone = signal();
      await admin.call("ACL", "SETUSER", "worker", "+select");
      await within(back.fired, "the news that Redis is there");
      await add(backend, {});
      expect(await admin.keys("*")).toEqual([]);
    } finally {
      await backend.stop();
    }
  });
});

describe("the store behind a prefix", () => {
  test("that lost its data gets the QUEUES of every server again, though another server was first", async () => {
    const own = await startRedis();
    const at = { url: own.url, prefix: newPrefix() };
    const engines = await Promise.all(
      ["mail", "print"].map((name) => openEngine(at, { numWorkers: 0, queues: [name] })),
    );
    await own.client().flushall();
    const names = async () => {
      const found = await Promise.all(engines.map(async ({ backend }) => (await backend.queueNames()).length));
      const keys = await own.client().hlen(createKeys(at.prefix).queues);
      return keys === 3 && found.every((count) => count === 3) ? true : undefined;
    };
    // Nobody creates anything: the servers find out by themselves.
    await eventually(names, "the queues of both");
    for (const engine of engines)
      expect((await engine.queues.list()).map(({ name }) => name)).toEqual(["default", "mail", "print"]);
  });
});
