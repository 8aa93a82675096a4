import { describe, expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { QueueFigures } from "../../../src/core/watch/queue-figures.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { FakeClock, settle } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { deferred } from "../support/async.js";

const ALL = { names: undefined, key: "all" };

/** Figures over a memory backend with so many queues beside `default`; records which queues each call reads. */
async function figures(count: number) {
  const clock = new FakeClock();
  const memory = createMemoryBackend({ clock, random: () => 0.5 });
  const reads: string[][] = [];
  let failures = 0;
  let held: Promise<void> | undefined;
  const backend: Backend = {
    ...memory,
    queues: async (names, of) => {
      if (failures-- > 0) throw new Error("away");
      reads.push([...(names ?? ["all"])]);
      const found = await memory.queues(names, of);
      await held;
      return found;
    },
  };
  const figures = new QueueFigures(backend, clock);
  await memory.start({
    ready: (queue) => figures.changed(queue),
    changes: ({ changes }) => {
      for (const { queue } of changes) figures.changed(queue);
    },
    queues: (name) => figures.changed(name),
    due() {},
    interrupted() {},
    emptied() {},
    available() {},
    resync() {},
  });
  /** Holds back what is read from now on until the returned function is called. */
  const hold = () => {
    const { promise, resolve } = deferred();
    held = promise;
    return resolve;
  };
  const fail = (times: number) => {
    failures = times;
  };
  const names = Array.from({ length: count }, (_, at) => `queue-${String(at).padStart(4, "0")}`);
  for (const name of names) await memory.createQueue(name, DEFAULT_QUEUE_SETTINGS);
  return { clock, memory, figures, reads, fail, hold };
}

describe("the figures of queues for all watchers", () => {
  test("are read in parts, and then only of queues that changed", async () => {
    const { memory, figures: all, reads } = await figures(350);
    all.open(ALL);
    await all.read();
    expect(reads.map(({ length }) => length)).toEqual([100, 100, 100, 51]);
    reads.length = 0;
    await all.read();
    expect(reads).toEqual([]);
    await memory.enqueue([newJob({ queue: "queue-0007" }), newJob({ queue: "queue-0300" })]);
    await memory.setPaused("queue-0001", true);
    await memory.deleteQueue("queue-0002", false);
    await memory.createQueue("another", DEFAULT_QUEUE_SETTINGS);
    await all.read();
    expect(reads).toEqual([["another", "queue-0001", "queue-0007", "queue-0300"]]);
    expect(all.all(ALL).queues).toEqual(await memory.queues());
  });

  test("are one reading for all that ask before it begins, and none is older than what was told", async () => {
    const { memory, figures: all, reads, hold } = await figures(0);
    all.open(ALL);
    await Promise.all([all.read(), all.read(), all.read()]);
    expect(reads).toHaveLength(1);
    await memory.enqueue([newJob()]);
    const release = hold();
    const first = all.read();
    await settle();
    // While that reads, another job comes: its watcher must not get what was read before.
    await memory.enqueue([newJob()]);
    const later = [all.read(), all.read()];
    release();
    await Promise.all([first, ...later]);
    expect(reads).toHaveLength(3);
    expect(all.all(ALL).queues[0]?.stats.ready).toBe(2);
  });

  test("are of all queues for one that begins to watch them while others read theirs", async () => {
    const { figures: all, hold } = await figures(3);
    const one = { names: ["queue-0001"], key: "one" };
    all.open(one);
    const release = hold();
    const first = all.read();
    await settle();
    all.open(ALL);
    const second = all.read();
    release();
    await Promise.all([first, second]);
    expect(all.all(ALL).queues).toHaveLength(4);
    expect(all.all(one).queues).toHaveLength(1);
  });

  test("are the same objects for all that were told the same", async () => {
    const { memory, figures: all } = await figures(3);
    all.open(ALL);
    const reading = await all.read();
    expect(all.all(ALL)).toBe(all.all({ ...ALL }));
    const told = { names: new Set(all.all(ALL).queues.map(({ name }) => name)), reading };
    await memory.enqueue([newJob({ queue: "queue-0001" })]);
    await all.read();
    const changes = all.changes(ALL, told);
    expect(all.changes(ALL, { ...told, names: new Set(told.names) })).toBe(changes);
    expect(changes.map(({ queues }) => queues.map(({ name }) => name))).toEqual([["queue-0001"]]);
  });

  test("as changes tell what is new, changed and gone, and nothing when nothing is", async () => {
    const { memory, figures: all, clock } = await figures(1200);
    all.open(ALL);
    let reading = await all.read();
    const first = all.changes(ALL, undefined);
    expect(first.map(({ queues, hasMore }) => [queues.length, hasMore])).toEqual([
      [500, true],
      [500, true],
      [201, false],
    ]);
    const names = new Set(first.flatMap(({ queues }) => queues.map(({ name }) => name)));
    expect(all.changes(ALL, { names, reading })).toEqual([]);
    await memory.enqueue([newJob({ queue: "queue-0005" })]);
    await memory.deleteQueue("queue-0006", false);
    await memory.createQueue("another", DEFAULT_QUEUE_SETTINGS);
    await all.read();
    const [event] = all.changes(ALL, { names, reading });
    expect(event).toMatchObject({ gone: ["queue-0006"], hasMore: false });
    expect(event?.queues.map(({ name }) => name)).toEqual(["another", "queue-0005"]);
    // An age that only grows is no change; the same counts with another oldest job are.
    names.add("another").delete("queue-0006");
    reading = await all.read();
    await clock.advance(5000);
    all.changed("queue-0005");
    await all.read();
    expect(all.changes(ALL, { names, reading })).toEqual([]);
    expect(all.all(ALL).queues.find(({ name }) => name === "queue-0005")?.stats.oldestReadyAgeMs).toBe(5000);
    await memory.purge("queue-0005");
    await memory.enqueue([newJob({ queue: "queue-0005" })]);
    await all.read();
    expect(all.changes(ALL, { names, reading })[0]?.queues.map(({ name }) => name)).toEqual(["queue-0005"]);
  });

  test("keep the age of the oldest job of a queue that is not read again", async () => {
    const { memory, figures: all, clock, reads } = await figures(1);
    await memory.enqueue([newJob({ queue: "queue-0000" })]);
    all.open(ALL);
    await all.read();
    await clock.advance(7000);
    await memory.enqueue([newJob()]);
    reads.length = 0;
    await all.read();
    expect(reads).toEqual([["default"]]);
    expect(all.all(ALL).queues.map(({ stats }) => stats.oldestReadyAgeMs)).toEqual([0, 7000]);
  });

  test("read what was not read when that failed, and forget all when nobody watches", async () => {
    const { memory, figures: all, reads, fail } = await figures(250);
    all.open(ALL);
    await all.read();
    await memory.enqueue([newJob({ queue: "queue-0001" })]);
    reads.length = 0;
    fail(1);
    await expect(all.read()).rejects.toThrow("away");
    await all.read();
    expect(reads).toEqual([["queue-0001"]]);
    all.close(ALL);
    reads.length = 0;
    all.open({ names: ["queue-0003"], key: "one" });
    await all.read();
    expect(reads).toEqual([["queue-0003"]]);
  });

  test("are read again after a while although nothing was told", async () => {
    const { figures: all, clock, reads } = await figures(5);
    all.open(ALL);
    await all.read();
    reads.length = 0;
    await clock.advance(59_900);
    await all.read();
    expect(reads).toEqual([]);
    await clock.advance(100);
    await all.read();
    expect(reads.map(({ length }) => length)).toEqual([6]);
  });
});
