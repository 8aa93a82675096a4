import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { createListQueues } from "../../../src/core/operations/list-queues.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { FakeClock } from "../../support/fake-clock.js";

async function counted(queues: number) {
  const backend = createMemoryBackend({ clock: new FakeClock(), random: () => 0.5 });
  for (let at = 1; at < queues; at++) await backend.createQueue(`queue-${at}`, DEFAULT_QUEUE_SETTINGS);
  const parts: number[] = [];
  const read: typeof backend.queues = (names, of) => {
    parts.push(names?.length ?? Number.POSITIVE_INFINITY);
    return backend.queues(names, of);
  };
  return { backend, parts, counting: { ...backend, queues: read } };
}

test("queues are listed in parts, all of them by name", async () => {
  const { backend, parts, counting } = await counted(450);
  expect(await createListQueues(counting)()).toEqual(await backend.queues());
  expect(parts).toEqual([200, 200, 50]);
});

test("calls that come while one reads share the next reading, which begins after all of them", async () => {
  const { backend, parts, counting } = await counted(1);
  const list = createListQueues(counting);
  const first = list();
  await Promise.resolve();
  const later = [list(), list()];
  await backend.createQueue("new", DEFAULT_QUEUE_SETTINGS);
  later.push(list());
  const lists = await Promise.all([first, ...later]);
  expect(parts).toHaveLength(2);
  for (const queues of lists.slice(1)) expect(queues.map(({ name }) => name)).toEqual(["default", "new"]);
});

test("a reading that failed does not fail the next one, and a bound is kept", async () => {
  const { counting } = await counted(30);
  const names = counting.queueNames;
  const list = createListQueues(counting, 7);
  counting.queueNames = () => Promise.reject(new Error("away"));
  await expect(list()).rejects.toThrow("away");
  counting.queueNames = names;
  expect(await list()).toHaveLength(7);
});
