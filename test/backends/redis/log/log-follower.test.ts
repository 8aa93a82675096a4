import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogEntry, type Notice } from "../../../../src/backends/redis/log/log-entry.js";
import { LogFollower } from "../../../../src/backends/redis/log/log-follower.js";
import { settle } from "../../../support/fake-clock.js";

const QUEUE = "q";
const EPOCH = "1";

/** A log, a feed of it, and what is between them: notices on the way, and reads that are not answered yet. */
class World {
  /** The numbers of all changes that were delivered, in order. */
  readonly delivered: number[] = [];
  /** How many changes were delivered when the feed reported that some are gone for good. */
  readonly lostAt: number[] = [];
  /** What the feed told of its order. */
  readonly order: ("interrupted" | "resumed")[] = [];
  readonly feed: LogFollower;
  end = 0;
  #log: LogEntry[] = [];
  #onTheWay: LogEntry[] = [];
  #sent: LogEntry[] = [];
  #reads: { after: number; count: number; resolve(entries: LogEntry[]): void; reject(error: Error): void }[] = [];

  constructor(logSize = 100_000) {
    this.feed = new LogFollower({
      logSize,
      read: (_queue, after, count) =>
        new Promise((resolve, reject) => this.#reads.push({ after, count, resolve, reject })),
      deliver: (entry) => {
        const numbers = JSON.parse(entry.text) as number[];
        expect(numbers).toHaveLength(entry.count);
        expect(numbers.at(-1)).toBe(entry.last);
        this.delivered.push(...numbers);
      },
      lost: () => this.lostAt.push(this.delivered.length),
      failed: () => {},
      masterOf: () => "0",
      interrupted: () => this.order.push("interrupted"),
      resumed: () => this.order.push("resumed"),
      over: () => {},
    });
  }

  get openReads(): number {
    return this.#reads.length;
  }

  append(count: number): void {
    const numbers = Array.from({ length: count }, (_, index) => this.end + index + 1);
    this.end += count;
    const entry = new LogEntry(QUEUE, this.end, count, 1, this.end, JSON.stringify(numbers), false);
    this.#log.push(entry);
    this.#onTheWay.push(entry);
  }

  /** Delivers the next notice; they come in the order in which they were sent. */
  hear(): void {
    const entry = this.#onTheWay.shift();
    if (entry === undefined) return;
    this.#sent.push(entry);
    this.#take(entry);
  }

  lose(): void {
    this.#onTheWay.shift();
  }

  repeat(nth: number): void {
    const entry = this.#sent[nth % Math.max(1, this.#sent.length)];
    if (entry !== undefined) this.#take(entry);
  }

  async answer(): Promise<void> {
    const read = this.#reads.shift();
    read?.resolve(this.#log.filter(({ last }) => last > read.after).slice(0, read.count));
    await settle();
  }

  async fail(): Promise<void> {
    this.#reads.shift()?.reject(new Error("away"));
    await settle();
  }

  /** Forgets the first entries of the log. */
  trim(count: number): void {
    this.#log = this.#log.slice(count);
  }

  /** Resumes after a break, from an end that was read when `heard` was the last position heard. */
  follow(end = this.end, heard = this.feed.heard(QUEUE)?.heard): void {
    void this.feed.follow(QUEUE, { epoch: EPOCH, count: end, stamp: end }, heard);
  }

  /** Loses the notices on the way, resumes after the break, and answers every read. */
  async finish(): Promise<void> {
    this.#onTheWay = [];
    this.follow();
    await settle();
    for (let turn = 0; this.openReads > 0; turn++) {
      expect(turn).toBeLessThan(1000);
      await this.answer();
    }
  }

  #take(entry: LogEntry): void {
    const notice = { queue: QUEUE, epoch: EPOCH } as Notice;
    this.feed.take(notice, entry);
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("hear" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lose" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("repeat" as const), nth: fc.nat(50) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("answer" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const) }) },
  // A read of the end of the log, and its answer, which comes when more may have been heard.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("ask" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("follow" as const) }) },
);

describe("a feed", () => {
  test("gives every change once and in order, whatever notices get lost, come twice or come late", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 120, size: "max" }), async (commands) => {
        const world = new World();
        world.follow(0);
        let asked: { end: number; heard: number | undefined } | undefined;
        for (const each of commands) {
          if (each.kind === "append") world.append(each.count);
          else if (each.kind === "hear") world.hear();
          else if (each.kind === "lose") world.lose();
          else if (each.kind === "repeat") world.repeat(each.nth);
          else if (each.kind === "answer") await world.answer();
          else if (each.kind === "fail") await world.fail();
          else if (each.kind === "ask") asked = { end: world.end, heard: world.feed.heard(QUEUE)?.heard };
          else if (asked !== undefined) world.follow(asked.end, asked.heard);
        }
        await world.finish();
        expect(world.delivered).toEqual(numbers(1, world.end));
        expect(world.lostAt).toEqual([]);
        expect(world.feed.heard(QUEUE)).toMatchObject({ epoch: EPOCH, heard: world.end, stamp: world.end });
        expect(world.feed.isComplete).toBe(true);
        expect(world.order).toEqual(world.order.map((_, at) => (at % 2 === 0 ? "interrupted" : "resumed")));
        expect(world.order.length % 2).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("of a queue that existed before begins where the log ends", async () => {
    const world = new World();
    world.append(7);
    world.lose();
    world.follow();
    world.append(2);
    world.hear();
    expect(world.delivered).toEqual([8, 9]);
  });

  test("of a queue that is new begins with its first change, though its notice was lost", async () => {
    const world = new World();
    world.append(3);
    world.append(1);
    world.lose();
    world.hear();
    await settle();
    await world.answer();
    expect(world.delivered).toEqual([1, 2, 3, 4]);
  });

  test("says so when missed changes are gone from the log, and goes on with those that are kept", async () => {
    const world = new World();
    world.follow(0);
    for (let entry = 0; entry < 10; entry++) world.append(1);
    world.trim(6);
    await world.finish();
    expect(world.lostAt).toEqual([0]);
    expect(world.delivered).toEqual([7, 8, 9, 10]);
  });

  test("says so when the log lost its end, as in a restart of Redis, and goes on from there", async () => {
    const world = new World();
    world.follow(0);
    for (let entry = 0; entry < 5; entry++) {
      world.append(1);
      world.hear();
    }
    world.follow(3);
    expect(world.lostAt).toEqual([5]);
    expect(world.feed.heard(QUEUE)?.heard).toBe(3);
  });

  test("keeps a bounded tail, and gives it to readers that are close behind only", () => {
    const world = new World(50);
    world.follow(0);
    for (let entry = 0; entry < 500; entry++) {
      world.append(2);
      world.hear();
    }
    expect(world.feed.tail(QUEUE, EPOCH, 1000)).toEqual([]);
    expect(world.feed.tail(QUEUE, EPOCH, 995)?.map(({ last }) => last)).toEqual([996, 998, 1000]);
    expect(world.feed.tail(QUEUE, EPOCH, 960)?.map(({ last }) => last)).toHaveLength(20);
    expect(world.feed.tail(QUEUE, EPOCH, 800)).toBeUndefined();
    expect(world.feed.tail(QUEUE, EPOCH, 1001)).toBeUndefined();
    expect(world.feed.tail(QUEUE, "other", 1000)).toBeUndefined();
    expect(world.feed.tail("other", EPOCH, 0)).toBeUndefined();
  });

  test("of a queue that was deleted keeps no tail, tells late changes once, and goes on when it is made again", () => {
    const world = new World();
    world.follow(0);
    for (let entry = 0; entry < 100; entry++) {
      world.append(2);
      world.hear();
    }
    world.feed.left(QUEUE);
    expect(world.feed.tail(QUEUE, EPOCH, 198)).toBeUndefined();
    world.append(2);
    world.hear();
    expect(world.delivered).toEqual(numbers(1, 202));
    expect(world.feed.tail(QUEUE, EPOCH, 200)).toBeUndefined();
    expect(world.feed.tail(QUEUE, EPOCH, 202)).toEqual([]);
    world.feed.entered(QUEUE);
    world.append(1);
    world.hear();
    expect(world.delivered).toEqual(numbers(1, 203));
    expect(world.feed.tail(QUEUE, EPOCH, 202)?.map(({ last }) => last)).toEqual([203]);
  });

  test("of a queue that is made again when its log is over begins with another log, and misses nothing of the old one", async () => {
    const world = new World();
    world.follow(0);
    world.append(2);
    world.hear();
    world.feed.left(QUEUE);
    world.feed.over(QUEUE);
    world.append(1);
    world.lose();
    world.append(1);
    world.hear();
    expect(world.feed.isComplete).toBe(false);
    world.feed.entered(QUEUE);
    void world.feed.follow(QUEUE, { epoch: "2", count: 0, stamp: 0 });
    await world.answer();
    expect(world.feed.isComplete).toBe(true);
    expect(world.order.at(-1)).toBe("resumed");
    expect(world.lostAt).toEqual([]);
    expect(world.feed.heard(QUEUE)).toMatchObject({ epoch: "2", heard: 0, isOver: false });
  });
});
