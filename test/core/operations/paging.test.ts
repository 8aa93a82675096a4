import { describe, expect, test } from "vitest";
import { Fixture } from "../support/fixture.js";

/** Reads a listing to its end. Returns the ids of each page. */
async function pages(fixture: Fixture, pageSize?: number): Promise<string[][]> {
  const seen: string[][] = [];
  let pageToken: string | undefined;
  do {
    const page = await fixture.engine.jobs.list({ pageSize, pageToken });
    seen.push(page.jobs.map(({ id }) => id));
    pageToken = page.nextPageToken || undefined;
    if (seen.length > 50) throw new Error("the listing does not end");
  } while (pageToken !== undefined);
  return seen;
}

describe("listPages", () => {
  test("answers 50 jobs a page when nothing else is said", async () => {
    const fixture = new Fixture();
    await fixture.engine.jobs.createBatch(Array.from({ length: 120 }, () => ({ type: "work" })));
    expect((await pages(fixture)).map((page) => page.length)).toEqual([50, 50, 20]);
    expect((await pages(fixture, 0)).map((page) => page.length)).toEqual([50, 50, 20]);
  });

  test("has no token when the last page is just full", async () => {
    const fixture = new Fixture();
    await fixture.engine.jobs.createBatch(Array.from({ length: 4 }, () => ({ type: "work" })));
    expect((await pages(fixture, 2)).map((page) => page.length)).toEqual([2, 2]);
  });

  test("answers one page for nothing at all", async () => {
    expect(await pages(new Fixture())).toEqual([[]]);
  });

  test("passes over a queue that is deleted while all are listed", async () => {
    const fixture = new Fixture();
    const id = await fixture.create();
    for (let index = 0; index < 20; index++) await fixture.engine.queues.create(`queue-${index}`);
    await fixture.engine.queues.create("zz");
    const listing = fixture.engine.jobs.list({});
    await fixture.engine.queues.remove("zz", true);
    expect(fixture.faults.calls("list")).toBeLessThan(20);
    expect((await listing).jobs.map((job) => job.id)).toEqual([id]);
    expect(fixture.faults.calls("list")).toBe(22);
  });

  test("looks into no more than 100 queues a page, and into all in the end", async () => {
    const fixture = new Fixture();
    for (let index = 0; index < 250; index++) await fixture.engine.queues.create(`q${String(index).padStart(3, "0")}`);
    const id = await fixture.create({ queue: "q249" });
    const before = fixture.faults.calls("list");
    await fixture.engine.jobs.list({});
    expect(fixture.faults.calls("list") - before).toBe(100);
    expect((await pages(fixture)).flat()).toEqual([id]);
  });

  test("goes on behind a queue that was deleted between two pages", async () => {
    const fixture = new Fixture();
    for (const name of ["a", "b", "c"]) await fixture.engine.queues.create(name);
    const [a1 = "", a2 = ""] = [await fixture.create({ queue: "a" }), await fixture.create({ queue: "a" })];
    await fixture.create({ queue: "b" });
    await fixture.create({ queue: "b" });
    const c = await fixture.create({ queue: "c" });
    const first = await fixture.engine.jobs.list({ pageSize: 3 });
    expect(first.jobs.map(({ queue }) => queue)).toEqual(["a", "a", "b"]);
    expect(first.jobs.slice(0, 2).map(({ id }) => id)).toEqual([a2, a1]);
    await fixture.engine.queues.remove("b", true);
    const second = await fixture.engine.jobs.list({ pageSize: 3, pageToken: first.nextPageToken });
    expect(second.jobs.map(({ id }) => id)).toEqual([c]);
  });

  test("shows no job twice and misses none that was there, while others are created", async () => {
    const fixture = new Fixture();
    const ids: string[] = [];
    for (let index = 0; index < 9; index++) ids.push(await fixture.create());
    const seen: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await fixture.engine.jobs.list({ pageSize: 2, pageToken });
      seen.push(...page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken || undefined;
      await fixture.create();
    } while (pageToken !== undefined);
    expect(seen).toEqual(ids.reverse());
  });
});
