import { createHash } from "node:crypto";
import { createConnection } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeFollowed } from "../../../src/backends/shared/codec/followed.js";
import { FrameReader, packFrame } from "../../../src/backends/shared/codec/frames.js";
import { type Notice, VERSION } from "../../../src/backends/shared/codec/messages.js";
import { Calls } from "../../../src/backends/shared/link/calls.js";
import { silentStoreObserver } from "../../../src/core/port/store-observer.js";
import { eventually } from "../../support/wait.js";
import { add, fatal, lease } from "../contract/support.js";
import { connect, openStore, socketPath } from "./support.js";

const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).map((number) => number + 0),
  fc.string({ unit: "grapheme" }),
);

describe("frames", () => {
  test("are read as they were written, however they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.oneof(value, fc.array(value)), { minLength: 1 })),
        fc.array(fc.nat(64)),
        (frames, cuts) => {
          const read: unknown[] = [];
          const reader = new FrameReader((messages) => read.push(messages));
          let bytes = Buffer.concat(frames.map((messages) => packFrame(messages)));
          for (const cut of [...cuts, bytes.length]) {
            reader.push(bytes.subarray(0, cut));
            bytes = bytes.subarray(cut);
          }
          expect(read).toEqual(frames);
        },
      ),
    );
  });

  test("of more bytes than any may have are refused before they are there", () => {
    const reader = new FrameReader(() => {});
    expect(() => reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow(RangeError);
  });
});

describe("a store", () => {
  test("ends the connection of who speaks another way or another version, and serves the others", async () => {
    const path = socketPath();
    await openStore(path);
    const closed: string[] = [];
    for (const [name, bytes] of [
      ["web", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
      ["noise", Buffer.from([0, 0, 0, 3, 0xc1, 0xc1, 0xc1])],
    ] as const) {
      const socket = createConnection({ path });
      socket.on("close", () => closed.push(name));
      socket.on("error", () => {});
      socket.write(bytes);
    }
    await eventually(async () => closed.length === 2 || undefined, "the ends");
    const { backend } = await connect(path);
    expect(await lease(backend)).toEqual([]);
  });

  test("leaves out what a server does not read, tells it so, and goes on from there", async () => {
    const path = socketPath();
    await openStore(path);
    const notices: Notice[] = [];
    const reader = new FrameReader((messages) => {
      for (const message of messages as Notice[]) if (message[0] === 0) notices.push(message);
    });
    const deaf = createConnection({ path });
    let bytes = 0;
    deaf.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      reader.push(chunk);
    });
    deaf.write(
      packFrame([
        [1, "hello", { version: VERSION, taken: [] }],
        [0, "follow", [[writeFollowed({ of: "changes", queue: undefined }, true)]]],
      ]),
    );
    await eventually(async () => notices.some(([, kind]) => kind === "told") || undefined, "the welcome");
    deaf.pause();
    const { backend } = await connect(path);
    const error = createHash("sha512").update("").digest("hex").repeat(2);
    let changes = 0;
    for (let round = 0; round < 12; round++) {
      await add(backend, ...Array.from({ length: 1000 }, () => ({ maxRetries: 0 })));
      const leases = await lease(backend);
      await backend.fail(leases.map((each) => fatal(each, error)));
      changes += leases.length * 4;
    }
    const before = notices.length;
    deaf.resume();
    await eventually(async () => notices.slice(before).some(([, kind]) => kind === "queues") || undefined, "the rest");
    const kinds = notices.slice(before).map(([, kind]) => kind);
    expect(kinds.slice(-3)).toEqual(["missed", "told", "queues"]);
    const told = notices.flatMap((notice) => (notice[1] === "changes" ? notice[3] : []));
    expect(told.length).toBeLessThan(changes);
    expect(bytes).toBeLessThan(10 * 2 ** 20);
    deaf.destroy();
  });
});

test("large calls go one by one, whatever kind they are", () => {
  const calls = new Calls(() => 0, silentStoreObserver);
  const reading = { read: (answer: unknown) => answer };
  for (let count = 0; count < 3; count++) void calls.call("update", () => [], reading, 700_000);
  void calls.call("head", () => [], reading);
  expect([calls.take(), calls.take(), calls.take(), calls.take()].map(({ length }) => length)).toEqual([1, 1, 2, 0]);
});
