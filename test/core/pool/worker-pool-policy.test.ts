import { describe, expect, test } from "vitest";
import type { QueuePolicy } from "../../../src/core/work/queue-turns.js";
import type { HandlerJob } from "../../../src/model/handler/handler.js";
import { settle } from "../../support/fake-clock.js";
import { started } from "../support/fixture.js";
import { ManualHandler } from "../support/manual-handler.js";

describe("the queue policy with one worker", () => {
  /** Fills queues of these weights with `each` jobs. Returns the queue of each job, in the order in which they ran. */
  async function served(queuePolicy: QueuePolicy, weights: Readonly<Record<string, number>>, each: number) {
    const order: string[] = [];
    const blocker = new ManualHandler();
    const handlers = { work: (job: HandlerJob) => void order.push(job.queue), block: blocker.handler };
    const fixture = await started({ handlers, numWorkers: 1, queuePolicy });
    await fixture.create({ type: "block" });
    for (const [queue, weight] of Object.entries(weights)) {
      if (queue !== "default") await fixture.engine.queues.create(queue);
      await fixture.engine.queues.update(queue, { weight });
      await fixture.engine.jobs.createBatch(Array.from({ length: each }, () => ({ type: "work", queue })));
    }
    await blocker.run().returns();
    for (let turn = 0; order.length < each * Object.keys(weights).length && turn < 100; turn++) await settle();
    return order;
  }

  const count = (order: readonly string[], queue: string) => order.filter((name) => name === queue).length;

  test("round-robin lets the queues take turns, whatever their weights", async () => {
    const order = await served("round-robin", { a: 1, b: 100, default: 7 }, 10);
    for (let at = 0; at < 30; at += 3) expect(order.slice(at, at + 3).sort()).toEqual(["a", "b", "default"]);
  });

  test("weighted serves them in proportion to their weights", async () => {
    const order = await served("weighted", { a: 3, b: 2, default: 1 }, 30);
    const full = order.slice(0, 60);
    expect(Math.abs(count(full, "a") - 30)).toBeLessThanOrEqual(1);
    expect(Math.abs(count(full, "b") - 20)).toBeLessThanOrEqual(1);
    expect(Math.abs(count(full, "default") - 10)).toBeLessThanOrEqual(1);
    expect(order).toHaveLength(90);
  });

  test("strict empties the heavier ones first and lets equal ones take turns", async () => {
    const order = await served("strict", { a: 1, b: 5, default: 5 }, 10);
    expect(order.slice(20)).toEqual(Array(10).fill("a"));
    for (let at = 0; at < 20; at += 2) expect(order.slice(at, at + 2).sort()).toEqual(["b", "default"]);
  });
});
