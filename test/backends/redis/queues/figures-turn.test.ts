import { beforeAll, expect, test } from "vitest";
import { createClient } from "../../../../src/backends/redis/link/client.js";
import { Connection } from "../../../../src/backends/redis/link/connection.js";
import { parseRedisUrl, type RedisTarget } from "../../../../src/backends/redis/link/url.js";
import { FiguresTurn } from "../../../../src/backends/redis/queues/figures-turn.js";
import { createKeys } from "../../../../src/backends/redis/scripts/keys.js";
import { silentLogger } from "../../../../src/model/log/logger.js";
import { FakeClock } from "../../../support/fake-clock.js";
import { type RedisServer, startRedis } from "../../../support/redis.js";
import { eventually } from "../../../support/wait.js";
import { newPrefix } from "../support/open.js";

let redis: RedisServer;
let connection: Connection;

beforeAll(async () => {
  redis = await startRedis();
  const client = createClient(parseRedisUrl(redis.url) as RedisTarget, "test");
  await client.connect();
  connection = new Connection(client, new FakeClock(), silentLogger);
  return () => connection.stop();
});

/** Two servers of one store, each with a clock of its own. */
function servers() {
  const keys = createKeys(newPrefix());
  const clocks = [new FakeClock(), new FakeClock()] as const;
  const [one, two] = clocks.map((clock, at) => new FiguresTurn({ connection, keys, clock, self: `server-${at}` }));
  if (one === undefined || two === undefined) throw new Error("no turns");
  const holder = () => redis.client().get(keys.figuresTeller);
  const left = () => redis.client().pttl(keys.figuresTeller);
  return { keys, clocks, one, two, holder, left, expire: () => redis.client().del(keys.figuresTeller) };
}

test("one server has the turn, however often the others ask", async () => {
  const { one, two } = servers();
  expect(await one.claim()).toBe(true);
  for (let count = 0; count < 3; count++) expect(await two.claim()).toBe(false);
  expect(await one.claim()).toBe(true);
});

test("its holder renews it while it is asked for, without asking Redis at each question", async () => {
  const { one, clocks, keys, holder } = servers();
  await one.claim();
  await redis.client().pexpire(keys.figuresTeller, 60_000);
  expect(await one.claim()).toBe(true);
  expect(await redis.client().pttl(keys.figuresTeller)).toBeGreaterThan(50_000);
  await clocks[0].advance(2000);
  await eventually(
    async () => ((await redis.client().pttl(keys.figuresTeller)) <= 6000 ? true : undefined),
    "a renewal",
  );
  expect(await holder()).toBe("server-0");
});

test("one that is asked for no more is free for others", async () => {
  const { one, two, clocks, expire, keys } = servers();
  await one.claim();
  for (let count = 0; count < 74; count++) {
    await clocks[0].advance(2000);
    await eventually(
      async () => ((await redis.client().pttl(keys.figuresTeller)) > 5000 ? true : undefined),
      "renewed",
    );
  }
  await clocks[0].advance(10_000);
  await expire();
  expect(await two.claim()).toBe(true);
  expect(await one.claim()).toBe(false);
});

test("a holder that was frozen knows that its turn is over", async () => {
  const { one, two, clocks, expire } = servers();
  expect(await one.claim()).toBe(true);
  // What Redis does meanwhile.
  await expire();
  expect(await two.claim()).toBe(true);
  await clocks[0].advance(60_000);
  expect(await one.claim()).toBe(false);
});

test("a holder that stops leaves the turn at once", async () => {
  const { one, two } = servers();
  await one.claim();
  await one.stop();
  expect(await two.claim()).toBe(true);
  await one.stop();
  await two.stop();
});
