import { describe, expect, test } from "vitest";
import { JobLoader, type JobReader } from "../../../src/core/watch/job-loader.js";
import { settle } from "../../support/fake-clock.js";
import { Fixture } from "../support/fixture.js";

/** A reader that notes what it was given: the id of the job, undefined, or the error. */
class Reader implements JobReader {
  readonly id: string;
  readonly told: unknown[] = [];

  constructor(id: string) {
    this.id = id;
  }

  read(job: { readonly id: string } | undefined): void {
    this.told.push(job?.id);
  }

  failed(error: unknown): void {
    this.told.push(error);
  }
}

/** Creates jobs. Returns their ids. */
async function jobs(fixture: Fixture, count: number, queue = "default"): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const requests = Array.from({ length: Math.min(1000, count - ids.length) }, () => ({ type: "work", queue }));
    for (const { id } of await fixture.engine.jobs.createBatch(requests)) ids.push(id);
  }
  return ids;
}

/** Reads jobs in one turn. Returns the readers, and how many calls it took. */
async function load(fixture: Fixture, ids: readonly string[]) {
  const loader = new JobLoader(fixture.backend);
  const before = fixture.faults.calls("get");
  const readers = ids.map((id) => new Reader(id));
  for (const reader of readers) loader.add(reader);
  await settle();
  return { readers, calls: fixture.faults.calls("get") - before };
}

describe("jobs that are read in one turn", () => {
  test("take one call for each queue, and each reader gets its own", async () => {
    const fixture = new Fixture();
    await fixture.engine.queues.create("mail");
    const [one = "", two = ""] = await jobs(fixture, 2);
    const [three = ""] = await jobs(fixture, 1, "mail");
    const { readers, calls } = await load(fixture, [one, three, two, "12345", one]);
    expect(readers.map(({ told }) => told)).toEqual([[one], [three], [two], [undefined], [one]]);
    expect(calls).toBe(2);
  });

  test.each([
    [1000, 1],
    [1001, 2],
    [2000, 2],
  ])("are read by the thousand: %i in %i calls", async (count, expected) => {
    const fixture = new Fixture();
    const ids = await jobs(fixture, count);
    const { readers, calls } = await load(fixture, ids);
    expect(readers.map(({ told }) => told)).toEqual(ids.map((id) => [id]));
    expect(calls).toBe(expected);
  });

  test("fail together, and those of the next turn are read again", async () => {
    const fixture = new Fixture();
    const ids = await jobs(fixture, 2);
    fixture.faults.fail("get");
    const broken = await load(fixture, ids);
    const error = new Error("get: the backend is away");
    expect(broken.readers.map(({ told }) => told)).toEqual([[error], [error]]);
    fixture.faults.clear("get");
    expect((await load(fixture, ids)).readers.map(({ told }) => told)).toEqual(ids.map((id) => [id]));
  });
});
