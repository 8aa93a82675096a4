import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MAX_CURSOR } from "../../../../src/backends/redis/log/cursor.js";
import { Frontier } from "../../../../src/backends/redis/log/frontier.js";
import { LogEntry, type Notice } from "../../../../src/backends/redis/log/log-entry.js";
import { LogFollower } from "../../../../src/backends/redis/log/log-follower.js";
import { LogReader } from "../../../../src/backends/redis/log/log-reader.js";
import { ToldLog } from "../../../../src/backends/redis/log/told-log.js";
import type { BackendListener } from "../../../../src/core/backend.js";
import type { Change, ChangeBatch } from "../../../../src/core/port/changes.js";
import { runs } from "../../../support/runs.js";
import { Recorder } from "../../contract/harness.js";

const EPOCH = "1700000000000";
const LINE = "200000000000000000";

/** How many changes of each queue lie before a position. */
type Vector = ReadonlyMap<string, number>;

/** One message of a master, and where it stands among all. */
interface Sent {
  readonly master: string;
  readonly entry: LogEntry;
}

/** The logs in Redis: of queues on masters, each of which has a clock of its own. */
class Store {
  readonly logs = new Map<string, LogEntry[]>();
  readonly sent: Sent[] = [];
  readonly clocks: number[];
  readonly #stood: boolean[] = [];

  constructor(readonly masters: number) {
    this.clocks = Array.from({ length: masters }, (_, n) => 1_700_000_000_000_000 + n * 3000);
  }

  masterOf(queue: string): number {
    return Number(queue.slice(1)) % this.masters;
  }

  /** Time passes on a master, µs; it does not stand still twice, as a script takes longer than that. */
  pass(master: number, micros: number): void {
    const stands = micros === 0 && this.#stood[master] !== true;
    this.#stood[master] = stands;
    this.clocks[master] = (this.clocks[master] as number) + (micros === 0 && !stands ? 1 : micros);
  }

  append(queue: string, count: number): void {
    const master = this.masterOf(queue);
    const log = this.logs.get(queue) ?? [];
    this.logs.set(queue, log);
    const before = log.at(-1);
    const start = before?.last ?? 0;
    const stamp = Math.max(this.clocks[master] as number, (before?.stamp ?? 0) + 1);
    const lines = Array.from({ length: count }, (_, n) => `${LINE}${start + n + 1} {"type":"t"}\n`);
    const entry = new LogEntry(queue, start + count, count, Math.floor(stamp / 1000), stamp, lines.join(""), false);
    log.push(entry);
    this.sent.push({ master: String(master), entry });
  }
}

/** One server: what it was told, and how it reads. */
class Server {
  readonly heard: ChangeBatch[] = [];
  readonly follower: LogFollower;
  readonly told: ToldLog;
  readonly reader: LogReader;
  /** By master: how many messages were delivered. */
  readonly #delivered = new Map<string, number>();
  reads = 0;
  listener: BackendListener = new Recorder();

  /** `from`: it starts when so many messages were sent. */
  constructor(
    readonly store: Store,
    from = 0,
  ) {
    const read = async (queue: string, after: number, count: number) => {
      this.reads++;
      return (store.logs.get(queue) ?? []).filter(({ last }) => last > after).slice(0, count);
    };
    this.follower = new LogFollower({
      logSize: 100_000,
      read,
      deliver: (entry, log) => this.told.tell(this.listener, entry, log),
      lost: () => {},
      failed: () => {},
      masterOf: (queue) => String(store.masterOf(queue)),
      interrupted: () => this.told.interrupt(),
      resumed: () => this.told.resume(),
      over: (log) => this.told.over(log),
    });
    this.told = new ToldLog(this.follower, () => 1);
    this.reader = new LogReader({
      follower: this.follower,
      told: this.told,
      countsUntil: () => undefined,
      horizon: () => 1,
      settled: () => this.follower.catchUp(),
      hearAll: async () => {
        this.hearAll();
        return false;
      },
      find: async () => {},
      read,
      missing: () => {},
    });
    this.follower.hold();
    for (let master = 0; master < store.masters; master++) this.#delivered.set(String(master), 0);
    for (const { master, entry } of store.sent.slice(0, from)) {
      this.#delivered.set(master, (this.#delivered.get(master) ?? 0) + 1);
      void this.follower.follow(entry.queue, { epoch: EPOCH, count: entry.last, stamp: entry.stamp });
    }
    this.follower.release();
  }

  /** Hears the next messages of a master. */
  hear(master: string, count: number): void {
    const all = this.store.sent.filter((sent) => sent.master === master);
    const from = this.#delivered.get(master) ?? 0;
    const next = all.slice(from, from + count);
    this.#delivered.set(master, from + next.length);
    for (const { entry } of next) this.follower.take({ queue: entry.queue, epoch: EPOCH } as Notice, entry);
  }

  hearAll(): void {
    for (let master = 0; master < this.store.masters; master++) this.hear(String(master), Number.POSITIVE_INFINITY);
  }

  get vector(): Vector {
    return new Map([...this.follower.logs].map(({ queue, heard }) => [queue, heard]));
  }
}

/** The number of a change of these logs in its queue. */
const numberOf = ({ jobId }: Change) => Number(jobId.split("@")[0]);

/** Reads everything behind a cursor and compares it with what there is; resolves to the cursors on the way and what lies before each. */
async function readOn(server: Server, cursor: string, from: Vector, limit: number): Promise<[string, Vector][]> {
  const at = new Map(from);
  const found: [string, Vector][] = [];
  let position = cursor;
  for (let isMore = true; isMore; ) {
    const page = await server.reader.read(position, limit, {});
    for (const { change, cursor: behind } of page.entries) {
      expect(numberOf(change), `the next change of ${change.queue}`).toBe((at.get(change.queue) ?? 0) + 1);
      at.set(change.queue, numberOf(change));
      expect(behind.length).toBeLessThanOrEqual(MAX_CURSOR);
      found.push([behind, new Map(at)]);
    }
    expect(page.next.length).toBeLessThanOrEqual(MAX_CURSOR);
    position = page.next;
    isMore = page.more;
    if (!isMore) expect(page.told).toBe(server.told.number);
  }
  for (const [queue, heard] of server.vector) expect(at.get(queue) ?? 0, `the end of ${queue}`).toBe(heard);
  return found;
}

const queueOf = (n: number) => `q${n}`;

const commands = (queues: number) =>
  fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant("append" as const),
          queue: fc.nat(queues - 1),
          count: fc.integer({ min: 1, max: 3 }),
          // None: the stamps of two queues are then the same.
          passes: fc.constantFrom(0, 1, 50, 2000),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("hear" as const),
          server: fc.nat(1),
          count: fc.nat(6),
          master: fc.nat(2),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), server: fc.nat(1) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("read" as const),
          cursor: fc.nat(),
          server: fc.nat(2),
          limit: fc.constantFrom(1, 3, 10, 1000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("step" as const),
          master: fc.nat(2),
          ms: fc.integer({ min: 1, max: 50 }),
        }),
      },
    ),
    { minLength: 20, maxLength: 200, size: "max" },
  );

describe("a cursor of any number of queues", () => {
  for (const [what, maySteps] of [
    ["misses nothing and tells nothing twice, on every server", false],
    ["is refused, or does the same, when clocks were set back", true],
  ] as const) {
    test(what, async () => {
      let refused = 0;
      let resumed = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(3, 29, 31, 45, 200).chain((queues) => fc.tuple(fc.constant(queues), commands(queues))),
          fc.constantFrom(1, 3),
          async ([queues, list], masters) => {
            const store = new Store(masters);
            for (let n = 0; n < queues; n++) {
              store.pass(store.masterOf(queueOf(n)), 7);
              store.append(queueOf(n), 1);
            }
            const servers = [new Server(store), new Server(store)];
            for (const server of servers) server.hearAll();
            const cursors: [string, Vector][] = [];
            for (const each of list) {
              if (each.kind === "append") {
                store.pass(store.masterOf(queueOf(each.queue)), each.passes);
                store.append(queueOf(each.queue), each.count);
              } else if (each.kind === "hear") {
                servers[each.server]?.hear(String(each.master % masters), each.count);
              } else if (each.kind === "step") {
                const master = each.master % masters;
                if (maySteps) store.pass(master, -each.ms * 1000);
              } else if (each.kind === "take") {
                const server = servers[each.server] as Server;
                const cursor = server.told.cursor(undefined);
                expect(cursor?.length).toBeLessThanOrEqual(MAX_CURSOR);
                cursors.push([cursor as string, server.vector]);
              } else if (cursors.length > 0) {
                const server = servers[each.server] ?? new Server(store, store.sent.length);
                const [cursor, vector] = cursors[each.cursor % cursors.length] as [string, Vector];
                try {
                  const more = await readOn(server, cursor, vector, each.limit);
                  resumed++;
                  cursors.push(...more.slice(0, 3));
                } catch (error) {
                  if (!maySteps || (error as { reason?: string }).reason !== "WATCH_COMPACTED") throw error;
                  refused++;
                }
              }
            }
          },
        ),
        { numRuns: runs(20) },
      );
      expect(resumed).toBeGreaterThan(100);
      if (maySteps) expect(refused).toBeGreaterThan(5);
    });
  }
});

test("watchers with other filters that are told the same change share its cursor", () => {
  const store = new Store(1);
  const server = new Server(store);
  const move = vi.spyOn(Frontier.prototype, "move");
  onTestFinished(() => move.mockRestore());
  const cursors = new Set<string | undefined>();
  server.listener = Object.assign(new Recorder(), {
    changes(batch: ChangeBatch) {
      for (let count = 1; count <= 100; count++) {
        for (let filter = 0; filter < 5; filter++) cursors.add(batch.cursor(count, undefined));
      }
    },
  });
  store.append(queueOf(0), 100);
  server.hearAll();
  expect(cursors.size).toBe(100);
  // The last one is behind the entry.
  expect(move).toHaveBeenCalledTimes(101);
});

test("of 5,000 queues a cursor stays short, and goes on at a server that has just started", async () => {
  const store = new Store(3);
  const queues = Array.from({ length: 5000 }, (_, n) => `${queueOf(n)}`);
  const server = new Server(store);
  const lengths: number[] = [];
  const kept: [string, Vector][] = [];
  server.listener = Object.assign(new Recorder(), {
    changes(batch: ChangeBatch) {
      const cursor = batch.cursor(batch.changes.length, undefined) as string;
      lengths.push(cursor.length);
    },
  });
  for (let turn = 0; turn < 2; turn++) {
    for (const queue of queues) {
      store.pass(store.masterOf(queue), 20);
      store.append(queue, 2);
    }
    server.hearAll();
    kept.push([server.told.cursor(undefined) as string, server.vector]);
  }
  expect(lengths).toHaveLength(10_000);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_CURSOR);
  expect(Math.max(...lengths.slice(5000))).toBeLessThan(512);
  for (const queue of queues.slice(100, 400)) {
    store.pass(store.masterOf(queue), 20);
    store.append(queue, 1);
  }
  server.hearAll();
  const fresh = new Server(store, store.sent.length);
  const [cursor, vector] = kept[1] as [string, Vector];
  for (const each of [server, fresh]) expect(await readOn(each, cursor, vector, 100)).toHaveLength(300);
});
