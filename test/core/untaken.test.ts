import { describe, expect, test } from "vitest";
import { findUntaken, takenHere } from "../../src/core/untaken.js";
import { Fixture } from "./support/fixture.js";

async function waiting() {
  const fixture = new Fixture();
  const { engine } = fixture;
  await engine.queues.create("mail");
  for (const type of ["a", "a", "b", "late"]) await fixture.create({ type, delayMs: type === "late" ? 1000 : 0 });
  await fixture.create({ type: "a", queue: "mail" });
  const { backend } = engine;
  return { fixture, backend, queues: await backend.queues() };
}

describe("jobs that no worker takes", () => {
  test("are found by queue and type, and counted", async () => {
    const { backend, queues } = await waiting();
    expect(await findUntaken(backend, queues, [{ queues: ["mail"], types: ["a"] }], 100)).toEqual([
      { queue: "default", type: "a", jobs: 2 },
      { queue: "default", type: "b", jobs: 1 },
    ]);
    expect(await findUntaken(backend, queues, [{ queues: [], types: ["a", "b"] }], 100)).toEqual([]);
  });

  test("are no more than asked for", async () => {
    const { backend, queues } = await waiting();
    expect(await findUntaken(backend, queues, [], 2)).toHaveLength(2);
  });

  test("are none that a worker of another process takes, and none while it is not known what those take", async () => {
    const { backend, queues } = await waiting();
    const others = { ...backend, takenElsewhere: async () => [{ queues: ["default"], types: ["a", "b"] }] };
    expect(await findUntaken(others, queues, [], 100)).toEqual([{ queue: "mail", type: "a", jobs: 1 }]);
    expect(await findUntaken({ ...backend, takenElsewhere: async () => undefined }, queues, [], 100)).toEqual([]);
  });

  test("what the workers of a process take is told once for each set of queues", () => {
    const worker = { id: "1", name: "w", kind: "STREAM", capacity: 1, jobIds: [], leaseMs: 1, since: 0 } as const;
    const taken = takenHere([
      { ...worker, queues: ["b", "a"], types: ["y", "x"] },
      { ...worker, queues: [], types: ["x"] },
      { ...worker, queues: ["a", "b"], types: ["z", "x"] },
    ]);
    expect(taken).toEqual([
      { queues: ["a", "b"], types: ["x", "y", "z"] },
      { queues: [], types: ["x"] },
    ]);
  });
});
