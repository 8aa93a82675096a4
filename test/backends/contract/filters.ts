import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import { createMatcher, errorGroupOf, type StoreMatch } from "../../../src/core/stores/job-matcher.js";
import { JOB_STATUSES, type Job } from "../../../src/model/job/job.js";
import { PENDING_STATES } from "../../../src/model/job/pending-state.js";
import { compareNumbers, numberOf } from "../../../src/model/queue/ids.js";
import { TRACE } from "../../support/job.js";
import { runs } from "../../support/runs.js";
import type { BackendHarness, Open, OpenedBackend } from "./harness.js";
import { add, addDead, addDone, addOne, createQueue, expectRefused, fatal, jobOf, leaseOne, pages } from "./support.js";

const LONG = "a long one, ".repeat(40);

/** Texts that tell filters from each other. */
const ERRORS = [
  "timeout",
  "timeout after 5 s",
  "timeout after 6 s",
  "",
  `${LONG}end`,
  `${LONG}é`,
  'a "%d.+[x]" \\ \n😀',
];
const METADATA: readonly Record<string, string>[] = [
  {},
  { tenant: "a" },
  { tenant: "a", "%w": "ü" },
  { tenant: "b", __proto__x: "1" },
  { toString: "x" },
];
const KEYS = ["a", undefined, "ü|:a", undefined, "b"];
const TYPES = ["mail", "image", "ünïcode:1"];

/** Jobs in every state, in two queues. Returns their ids. */
async function addMany({ backend, advance }: OpenedBackend): Promise<string[]> {
  await createQueue(backend, "other");
  const ids: string[] = [];
  for (let at = 0; at < 42; at++) {
    const queue = at % 3 === 0 ? "other" : "default";
    const type = TYPES[at % TYPES.length] ?? "";
    const metadata = METADATA[at % METADATA.length] as Record<string, string>;
    const payload = at % 2 === 0 ? "1" : new Uint8Array(3);
    const schedule = [undefined, "nightly", "other", undefined, "nightly"][at % 5];
    const made = schedule === undefined ? {} : { schedule, scheduledFor: at };
    const key = KEYS[at % KEYS.length];
    const id = await addOne(backend, { queue, type, metadata, payload, priority: 1, key, ...made });
    ids.push(id);
    const end = at % 7;
    if (end === 1) await backend.cancel(id);
    if (end > 1) {
      const leased = await leaseOne(backend, { queues: [queue], types: [type], worker: `w${at % 2}` });
      const error = ERRORS[(at >> 1) % ERRORS.length] ?? "";
      // The job that is leased may be an older one that came back.
      if (end === 2) await backend.complete([{ jobId: leased.job.id, token: leased.token, result: '"r"' }]);
      if (end === 3 || end === 4) await backend.fail([fatal(leased, error)]);
      if (end === 5) await backend.fail([{ ...fatal(leased, error), retry: { afterMs: 3_600_000 } }]);
      if (end === 6 && at % 2 === 0) await backend.cancel(leased.job.id);
    }
    if (at % 4 === 0) await advance(1000);
  }
  return ids;
}

/** A few of the many fields at a time: all together would choose no job, whichever of them a store forgets. */
const some = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: item });

function matchOf(jobs: readonly Job[]): fc.Arbitrary<StoreMatch> {
  const time = fc.constantFrom(
    ...jobs.flatMap(({ createdAt, finishedAt = createdAt }) => [createdAt, finishedAt, finishedAt + 1]),
  );
  return fc.record({
    types: some(fc.subarray([...TYPES, "none"])),
    statuses: some(fc.subarray([...JOB_STATUSES])),
    pendingStates: some(fc.subarray([...PENDING_STATES])),
    ids: some(fc.subarray([...jobs.map(({ id }) => id), "4711", "4711@nowhere"])),
    keys: some(fc.subarray(["a", "ü|:a", "", "none"])),
    metadata: some(fc.constantFrom<Record<string, string>>(...METADATA, { tenant: "" }, { valueOf: "x" })),
    errorContains: some(fc.constantFrom("timeout", "5", "end", "é", "%d", "\\ \n😀", "none", "")),
    errorEquals: some(fc.constantFrom(...ERRORS, LONG)),
    errorGroup: some(fc.constantFrom(...ERRORS.map(errorGroupOf), "timeout after 5 s")),
    worker: some(fc.constantFrom("w0", "w1", "none")),
    schedule: some(fc.constantFrom("nightly", "other", "none")),
    createdAfter: some(time),
    createdBefore: some(time),
    finishedAfter: some(time),
    finishedBefore: some(time),
    cancelRequested: some(fc.boolean()),
  });
}

/** The ids of the jobs of a queue that match, as a plain scan finds them. */
function scan(jobs: readonly Job[], queue: string, match: StoreMatch, isDead: boolean, order: string): string[] {
  const at = (job: Job) => (isDead ? (job.finishedAt ?? 0) : job.createdAt);
  const sign = order === "NEWEST" ? -1 : 1;
  return jobs
    .filter((job) => job.queue === queue && (!isDead || job.status === "DEAD"))
    .filter(createMatcher(match))
    .sort((a, b) => sign * (at(a) - at(b) || compareNumbers(numberOf(a.id), numberOf(b.id))))
    .map(({ id }) => id);
}

async function countAll(backend: Backend, queue: string, match: StoreMatch, isDead: boolean): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await backend.count({ ...match, queue, isDead, after, scan: 10 });
    expect(page.examined).toBeLessThanOrEqual(10);
    count += page.count;
    after = page.next;
  } while (after !== undefined);
  return count;
}

/** Choosing jobs in the store: listing, counting and changing those that match. */
export function describeFilters(open: Open, harness: BackendHarness): void {
  describe("filters", () => {
    test("find what a plain scan finds, in either order, page by page, and are counted so", async () => {
      const opened = await harness.open();
      try {
        const { backend } = opened;
        const ids = await addMany(opened);
        const jobs = (await backend.get(ids)) as Job[];
        expect(new Set(jobs.map(({ status }) => status)).size).toBe(5);
        const query = fc.record({
          queue: fc.constantFrom("default", "other"),
          match: matchOf(jobs),
          isDead: fc.boolean(),
          order: fc.constantFrom("NEWEST" as const, "OLDEST" as const),
          view: fc.constantFrom("FULL" as const, "BASIC" as const),
          limit: fc.integer({ min: 1, max: 9 }),
        });
        const run = fc.asyncProperty(query, async ({ queue, match, isDead, order, view, limit }) => {
          const given = { ...match, queue, order, view, limit };
          const listed = await pages((after) =>
            isDead ? backend.listDead({ ...given, after }) : backend.list({ ...given, after }),
          );
          const expected = scan(jobs, queue, match, isDead, order);
          expect(listed).toEqual(expected);
          expect(await countAll(backend, queue, match, isDead)).toBe(expected.length);
        });
        await fc.assert(run, { numRuns: runs(100) });
      } finally {
        await opened.close();
      }
    });

    test("BASIC shows a job without its payload and result, and reads no more of it", async () => {
      const { backend } = await open();
      const metadata = { tenant: "a" };
      const bytes = await addDone(backend, { metadata, payload: new Uint8Array(300) });
      const text = await addOne(backend, { payload: '{"a":"\\n"}', traceContext: TRACE });
      const plain = await addOne(backend, { payload: undefined });
      const ids = [plain, text, bytes];
      const expected = ((await backend.get(ids)) as Job[]).map((job) => ({
        ...job,
        payload: undefined,
        result: undefined,
      }));
      const { jobs } = await backend.list({ queue: "default", view: "BASIC", limit: 9, maxBytes: 1000 });
      expect(jobs).toEqual(expected);
      expect(await backend.get(ids, "BASIC")).toEqual(expected);
    });

    test("look at large jobs part by part", async () => {
      const { backend } = await open();
      const payload = new Uint8Array(400_000);
      const ids = await add(backend, ...["a", "b", "a", "b", "a"].map((tenant) => ({ payload, metadata: { tenant } })));
      const query = { queue: "default", metadata: { tenant: "b" } };
      const { keys, next } = await backend.listKeys({ ...query, limit: 9 });
      expect(keys.map(({ key }) => key.split("-")[1])).toEqual([ids[3], ids[1]]);
      expect(next).toBeUndefined();
      expect(await backend.count({ ...query, isDead: false })).toMatchObject({ count: 2, examined: 5 });
    });

    test("do not know an unknown queue", async () => {
      const { backend } = await open();
      const query = { queue: "nowhere", isDead: true };
      await expectRefused(backend.count(query), "QUEUE_NOT_FOUND");
      await expectRefused(backend.groupDead(query), "QUEUE_NOT_FOUND");
      await expectRefused(backend.count({ queue: "default", isDead: false, after: "x" }), "PAGE_TOKEN_INVALID");
      expect(await backend.act("CANCEL", ["1@nowhere"], {})).toBe(0);
    });
  });

  describe("groups of the dead", () => {
    test("are by type and error with numbers and ids taken out, with the latest death of each", async () => {
      const opened = await open();
      const { backend } = opened;
      const uuid = "6f1ed002-ab5c-4d2e-aaaa-bbbbccccdddd";
      const errors = [
        ["mail", "timeout"],
        ["mail", "timeout after 5 s"],
        ["mail", "timeout after 1.5 s"],
        ["image", "timeout after 7 s"],
        ["mail", `no user ${uuid}.`],
        ["mail", "connect 127.0.0.1:6379: e42x. Then abc... and 7..."],
        ["mail", "x".repeat(300)],
        ["mail", `${"x".repeat(256)}y`],
        ["mail", "ünï 5é"],
      ] as const;
      const ids: string[] = [];
      for (const [type, error] of errors) {
        ids.push(await addDead(backend, { type }, error));
        await opened.advance(1000);
      }
      await addDone(backend);
      const { groups, count, examined, next } = await backend.groupDead({ queue: "default", isDead: true });
      expect([count, examined, next]).toEqual([errors.length, errors.length, undefined]);
      const counted = groups.map(({ type, error, count, sampleId }) => [type, error, count, sampleId]);
      expect(counted.toSorted((a, b) => ids.indexOf(String(a[3])) - ids.indexOf(String(b[3])))).toEqual([
        ["mail", "timeout", 1, ids[0]],
        ["mail", "timeout after # s", 2, ids[2]],
        ["image", "timeout after # s", 1, ids[3]],
        ["mail", "no user #.", 1, ids[4]],
        ["mail", "connect #:#: #. Then abc... and #...", 1, ids[5]],
        ["mail", "x".repeat(256), 2, ids[7]],
        ["mail", "ünï #é", 1, ids[8]],
      ]);
      for (const { type, error, count, lastDiedAt, sampleId } of groups) {
        const match = { types: [type], errorGroup: error };
        expect(await countAll(backend, "default", match, true)).toBe(count);
        expect((await jobOf(backend, sampleId)).finishedAt).toBe(lastDiedAt);
      }
    });

    test("are the same of any error in both evaluations", async () => {
      const { backend } = await open();
      const piece = fc.constantFrom(
        "0",
        "a",
        "f",
        "Z",
        ".",
        "-",
        "#",
        " ",
        "é",
        "😀",
        "\n",
        "%",
        "12345678-1234-1234-1234-",
      );
      const errors = fc.sample(fc.array(piece, { minLength: 1, maxLength: 60, size: "max" }), { numRuns: 60, seed: 7 });
      for (const parts of errors) await addDead(backend, {}, parts.join(""));
      const { groups } = await backend.groupDead({ queue: "default", isDead: true });
      const expected = new Set(errors.map((parts) => errorGroupOf(parts.join(""))));
      expect(new Set(groups.map(({ error }) => error))).toEqual(expected);
    });
  });
}
