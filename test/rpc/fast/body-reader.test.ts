import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientConnection, connectionOf } from "../../../src/rpc/connection.js";
import { type BodyOutcome, BodyReader } from "../../../src/rpc/fast/body-reader.js";
import { settle } from "../../support/fake-clock.js";

const TIMEOUT_MS = 5000;
const MAX_BYTES = 100;
const MAX_BODIES = 10;
/** Of one body. */
const LIMIT = 60;

/** Longer than the time between two looks at what is late. */
const LOOK_MS = 1001;

let reader: BodyReader;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  reader = new BodyReader({ timeoutMs: TIMEOUT_MS, maxBodies: MAX_BODIES, maxBytes: MAX_BYTES });
});

afterEach(() => void vi.useRealTimers());

/** A body that is being read: what is written to it, and how it ended. */
function reading(connection = connectionOf({})) {
  const source = new PassThrough();
  const outcomes: BodyOutcome[] = [];
  reader.read(source, connection, LIMIT, (outcome) => outcomes.push(outcome));
  return { source, outcomes, kinds: () => outcomes.map(({ kind }) => kind) };
}

/** A body of which this many bytes have come in. */
async function begun(bytes: number, connection?: ClientConnection) {
  const body = reading(connection);
  body.source.write(Buffer.alloc(bytes));
  await settle();
  return body;
}

/** Checks that two bodies of half the bytes each have room, so that no others are counted. */
async function expectEmpty(): Promise<void> {
  const halves = [await begun(MAX_BYTES / 2), await begun(MAX_BYTES / 2)];
  for (const { source } of halves) source.end();
  await settle();
  expect(halves.map(({ kinds }) => kinds())).toEqual([["WHOLE"], ["WHOLE"]]);
}

test("a body is read whole, in as many parts as it comes, and gives its bytes back", async () => {
  const { source, outcomes } = reading();
  for (const part of ["one ", "two ", "three"]) source.write(part);
  source.end();
  await settle();
  expect(outcomes).toEqual([{ kind: "WHOLE", bytes: Buffer.from("one two three") }]);
  await expectEmpty();
});

test("a body of its limit is whole, one of a byte more is too large, and gives its bytes back", async () => {
  const whole = await begun(LIMIT);
  whole.source.end();
  await settle();
  const large = await begun(LIMIT);
  large.source.write("x");
  await settle();
  expect([whole.kinds(), large.kinds()]).toEqual([["WHOLE"], ["TOO_LARGE"]]);
  await expectEmpty();
});

describe("a body in many pieces", () => {
  const wide = () => new BodyReader({ timeoutMs: TIMEOUT_MS, maxBodies: MAX_BODIES, maxBytes: 1e9 });

  test.each([
    [500, 1, "WHOLE"],
    [600, 1, "SCATTERED"],
    [5000, 100, "WHOLE"],
    [5000, 40, "SCATTERED"],
  ])("of which %i have %i bytes is %s", async (count, bytes, kind) => {
    const source = new PassThrough();
    const kinds: string[] = [];
    wide().read(source, connectionOf({}), 1e9, (outcome) => kinds.push(outcome.kind));
    for (let index = 0; index < count; index++) {
      source.write(Buffer.alloc(bytes));
      await Promise.resolve();
    }
    source.end();
    await settle();
    expect(kinds).toEqual([kind]);
  });

  test("that is discarded is given up", async () => {
    const source = new PassThrough();
    const late = vi.fn();
    wide().discard(source, connectionOf({}), late);
    for (let index = 0; index < 600; index++) {
      source.write(Buffer.alloc(1));
      await Promise.resolve();
    }
    await settle();
    expect(late).toHaveBeenCalledTimes(1);
  });
});

describe("of bodies that are too many bytes together", () => {
  test("the oldest is given up, and the others go on", async () => {
    const [oldest, older] = [await begun(50), await begun(40)];
    const young = await begun(20);
    expect([oldest.kinds(), older.kinds(), young.kinds()]).toEqual([["CROWDED"], [], []]);
    for (const { source } of [older, young]) source.end();
    await settle();
    expect([older.kinds(), young.kinds()]).toEqual([["WHOLE"], ["WHOLE"]]);
    await expectEmpty();
  });

  test("the oldest of the connection that has most of them is given up", async () => {
    const greedy = connectionOf({});
    const first = await begun(20);
    const [older, newer] = [await begun(25, greedy), await begun(36, greedy)];
    const last = await begun(20);
    expect([first, older, newer, last].map(({ kinds }) => kinds())).toEqual([[], ["CROWDED"], [], []]);
  });

  test("one that has brought nothing yet is not given up", async () => {
    const empty = reading();
    await begun(60);
    await begun(60);
    expect(empty.kinds()).toEqual([]);
  });

  test("those of clients that have left do not count", async () => {
    const [gone, kept] = [await begun(60), await begun(30)];
    gone.source.destroy();
    await settle();
    await begun(60);
    expect([gone.kinds(), kept.kinds()]).toEqual([[], []]);
  });
});

describe("of too many bodies", () => {
  test("the oldest of the connection that has most of them is given up", async () => {
    const greedy = connectionOf({});
    const first = reading();
    const many = Array.from({ length: MAX_BODIES - 1 }, () => reading(greedy));
    const last = reading();
    expect([first, last].map(({ kinds }) => kinds())).toEqual([[], []]);
    expect(many.map(({ kinds }) => kinds().length)).toEqual([1, 1, ...Array(MAX_BODIES - 3).fill(0)]);
  });

  test("the oldest of all is given up when no connection has more than others", () => {
    const bodies = Array.from({ length: MAX_BODIES + 1 }, () => reading());
    expect(bodies.map(({ kinds }) => kinds().length)).toEqual([1, 1, ...Array(MAX_BODIES - 1).fill(0)]);
  });

  test("those that are discarded count", () => {
    const late: number[] = [];
    for (let index = 0; index < MAX_BODIES; index++) {
      reader.discard(new PassThrough(), connectionOf({}), () => late.push(index));
    }
    expect(late).toEqual([]);
    expect(reading().kinds()).toEqual([]);
    expect(late).toEqual([0, 1]);
  });
});

test("a body that does not end in time is late, and gives its bytes back", async () => {
  const late = await begun(60);
  vi.advanceTimersByTime(TIMEOUT_MS - 1000);
  const later = await begun(10);
  expect(late.kinds()).toEqual([]);
  vi.advanceTimersByTime(1000 + LOOK_MS);
  expect([late.kinds(), later.kinds()]).toEqual([["LATE"], []]);
  late.source.end("x");
  later.source.end();
  await settle();
  expect([late.kinds(), later.kinds()]).toEqual([["LATE"], ["WHOLE"]]);
  await expectEmpty();
});

test("what is discarded is thrown away as it comes, and is given up when it does not end in time", async () => {
  const [ended, endless] = [new PassThrough(), new PassThrough()];
  const late: string[] = [];
  reader.discard(ended, connectionOf({}), () => late.push("ended"));
  reader.discard(endless, connectionOf({}), () => late.push("endless"));
  for (const source of [ended, endless]) source.write(Buffer.alloc(10 * MAX_BYTES));
  ended.end();
  await settle();
  expect([ended.readableEnded, endless.readableLength]).toEqual([true, 0]);
  vi.advanceTimersByTime(TIMEOUT_MS + LOOK_MS);
  expect(late).toEqual(["endless"]);
  await expectEmpty();
});

test("no timer is left when nothing is read", async () => {
  const { source } = await begun(10);
  source.end();
  await settle();
  vi.advanceTimersByTime(LOOK_MS);
  expect(vi.getTimerCount()).toBe(0);
});
