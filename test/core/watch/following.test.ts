import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { WatchHub } from "../../../src/core/watch/watch-hub.js";
import { QueuePatterns } from "../../../src/model/queue/queue-patterns.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { signal } from "../../support/signal.js";

/** Watches on a backend that notes what it is asked. */
async function open() {
  const clock = new FakeClock();
  const kept = createMemoryBackend({ clock, random: () => 0.5 });
  const calls: string[] = [];
  const backend: Backend = {
    ...kept,
    follow(followed, isWatched) {
      const what = followed.of === "job" ? "a job" : `${followed.of} of ${followed.queue ?? "all"}`;
      calls.push(`${isWatched ? "follow" : "leave"} ${what}`);
    },
    get: (ids, view) => {
      calls.push("get");
      return kept.get(ids, view);
    },
    head: () => {
      calls.push("head");
      return kept.head();
    },
    queues: (names, of) => {
      calls.push("queues");
      return kept.queues(names, of);
    },
  };
  const [created] = await kept.enqueue([newJob()]);
  return { hub: new WatchHub(backend, clock), calls, id: created?.id ?? "" };
}

const toldOf = (calls: readonly string[]) => calls.filter((call) => /^(follow|leave) /.test(call));

test("the store is told of the first watcher before that reads anything, and when the last one leaves", async () => {
  const { hub, calls, id } = await open();
  const queues = new Set(["mail", "news"]);
  const [names, exact] = [["mail", "mail"], new QueuePatterns(["mail"])];
  const prefix = new QueuePatterns(["mail", "news*"]);
  const watches = [
    { begin: () => hub.watchJob(id), read: "get", followed: ["a job"] },
    { begin: () => hub.watchJobs({}, undefined), read: "head", followed: ["changes of all"] },
    {
      begin: () => hub.watchJobs({ queues }, undefined),
      read: "head",
      followed: ["changes of mail", "changes of news"],
    },
    { begin: () => hub.watchJobs({ within: exact }, undefined), read: "head", followed: ["changes of mail"] },
    { begin: () => hub.watchJobs({ within: prefix }, undefined), read: "head", followed: ["changes of all"] },
    { begin: () => hub.watchQueues({ minIntervalMs: 0 }), read: "queues", followed: ["counts of all"] },
    { begin: () => hub.watchQueues({ names, minIntervalMs: 0 }), read: "queues", followed: ["counts of mail"] },
    { begin: () => hub.watchQueues({ within: exact, minIntervalMs: 0 }), read: "queues", followed: ["counts of mail"] },
  ];
  for (const { begin, read, followed } of watches) {
    calls.length = 0;
    const feed = begin();
    await feed.next();
    expect(calls.slice(0, followed.length + 1)).toEqual([...followed.map((what) => `follow ${what}`), read]);
    feed.close();
    expect(toldOf(calls)).toEqual(["follow", "leave"].flatMap((word) => followed.map((what) => `${word} ${what}`)));
  }
});

test("watchers that come and go beside others of the same are nothing new to the store", async () => {
  const { hub, calls, id } = await open();
  const queues = new Set(["mail"]);
  const feeds = [
    ...[hub.watchJob(id), hub.watchJob(id)],
    ...[hub.watchJobs({ queues }, undefined), hub.watchJobs({ queues, types: new Set(["t"]) }, undefined)],
    ...[hub.watchQueues({ minIntervalMs: 0 }), hub.watchQueues({ minIntervalMs: 0 })],
  ];
  for (const feed of feeds) await feed.next();
  const followed = ["a job", "changes of mail", "counts of all"];
  const follows = followed.map((what) => `follow ${what}`);
  for (const [at, feed] of feeds.entries()) if (at % 2 === 0) feed.close();
  expect(toldOf(calls)).toEqual(follows);
  for (const feed of feeds) feed.close();
  expect(toldOf(calls)).toEqual([...follows, ...followed.map((what) => `leave ${what}`)]);
});

test("a watcher that left before it began is told to the store neither as it comes nor as it goes", async () => {
  const { hub, calls } = await open();
  const admitted = signal();
  const feed = hub.watchJobs({}, undefined, undefined, () => admitted.fired);
  void feed.next();
  feed.close();
  admitted.fire();
  await admitted.fired;
  expect(calls).toEqual([]);
});
