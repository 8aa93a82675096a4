import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { WatchHub } from "../../../src/core/watch/watch-hub.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

/** Watches on a backend that notes what it is asked. */
async function open() {
  const clock = new FakeClock();
  const kept = createMemoryBackend({ clock, random: () => 0.5 });
  const calls: string[] = [];
  const backend: Backend = {
    ...kept,
    follow: (isWatched) => void calls.push(isWatched ? "follow" : "leave"),
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

test("the store is told of the first watcher before that reads anything, and when the last one leaves", async () => {
  const { hub, calls, id } = await open();
  const watches = [
    { begin: () => hub.watchJob(id), read: "get" },
    { begin: () => hub.watchJobs({}, undefined), read: "head" },
    { begin: () => hub.watchQueues({ minIntervalMs: 0 }), read: "queues" },
  ];
  for (const { begin, read } of watches) {
    calls.length = 0;
    const feed = begin();
    await feed.next();
    expect(calls.slice(0, 2)).toEqual(["follow", read]);
    expect(calls).not.toContain("leave");
    feed.close();
    expect(calls.at(-1)).toBe("leave");
  }
});

test("watchers that come and go beside others are nothing new to the store", async () => {
  const { hub, calls, id } = await open();
  const feeds = [hub.watchJob(id), hub.watchJob(id), hub.watchJobs({}, undefined)];
  for (const feed of feeds) await feed.next();
  feeds[0]?.close();
  feeds[2]?.close();
  expect(calls.filter((call) => call === "follow" || call === "leave")).toEqual(["follow"]);
  feeds[1]?.close();
  expect(calls.filter((call) => call === "follow" || call === "leave")).toEqual(["follow", "leave"]);
});
