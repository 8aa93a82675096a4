import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import {
  FLAG,
  frame,
  GREETING,
  head,
  initialWindow,
  reset,
  TYPE,
  uint32,
  windowUpdate,
} from "../support/http2-frames.js";
import { within } from "../support/wait.js";
import { envelope, http1, http2, open } from "../support/wire.js";
import { startVictim } from "./victim.js";

const CREATE = "/gotaskq.v1.JobService/CreateJob";
const MEGABYTE = 1 << 20;

const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);

/** How long a flood goes on, ms. */
const FLOOD_MS = 700;

/** Writes what `next` makes to new connections, one after the other as the server ends them, for a while. */
async function flood(port: number, first: Uint8Array, next: () => Uint8Array): Promise<void> {
  const end = performance.now() + FLOOD_MS;
  while (performance.now() < end) {
    const socket = await open(port);
    const closed = new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
    socket.write(Buffer.concat([GREETING, first]));
    while (!socket.destroyed && performance.now() < end) {
      const isTaken = socket.write(next());
      const turn = new Promise<void>((resolve) => (isTaken ? setImmediate(resolve) : socket.once("drain", resolve)));
      const late = new Promise<void>((resolve) => setTimeout(resolve, end - performance.now()));
      await Promise.race([turn, closed, late]);
    }
    socket.destroy();
  }
}

test("floods of frames take nothing from others", async () => {
  const victim = await startVictim({});
  const many = (one: Uint8Array) => {
    const bytes = Buffer.concat(Array.from({ length: 2000 }, () => one));
    return () => bytes;
  };
  /** Frames of new streams each time. */
  const streams = (of: (stream: number) => readonly Uint8Array[]) => {
    let opened = 0;
    return () => Buffer.concat(Array.from({ length: 500 }, () => of((2 * opened++ + 1) & 0x7fffffff)).flat());
  };
  const none = Buffer.alloc(0);
  const begun = head(1, CREATE);
  const floods: readonly (readonly [Uint8Array, () => Uint8Array])[] = [
    [none, streams((stream) => [head(stream, CREATE), reset(stream)])],
    [none, many(frame(TYPE.ping, 0, 0, Buffer.alloc(8)))],
    [none, many(initialWindow(65_535))],
    [frame(TYPE.headers, 0, 1, Buffer.of(0x83, 0x86, 0x84)), many(frame(TYPE.continuation, 0, 1, Buffer.of(0x83)))],
    [begun, many(frame(TYPE.data, 0, 1))],
    [begun, many(frame(TYPE.data, 0, 1, Buffer.of(0x20)))],
    [begun, many(frame(TYPE.data, FLAG.padded, 1, Buffer.concat([Buffer.of(200), Buffer.alloc(200)])))],
    [none, many(frame(TYPE.priority, 0, 3, Buffer.concat([uint32(0), Buffer.of(10)])))],
    [none, many(windowUpdate(0, 1))],
    [begun, many(windowUpdate(1, 1))],
    [none, many(frame(99, 0, 0, Buffer.alloc(8)))],
  ];
  for (const [first, next] of floods) await victim.endure(() => flood(victim.port, first, next));
}, 60_000);

test("bombs take nothing from others, and no memory that stays", async () => {
  const victim = await startVictim({ REQUEST_TIMEOUT: "2s" });
  const { port, url } = victim;

  // Four gigabytes that are declared: as the length of a body, and as that of a message.
  await victim.endure(async () => {
    const declare = async () => {
      const socket = await open(port);
      const closed = new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
      socket.write(
        `POST ${CREATE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4294967296\r\n\r\n`,
      );
      const part = Buffer.alloc(MEGABYTE, " ");
      for (let sent = 0; sent < 8; sent++) socket.write(part);
      await within(closed, "the end of a connection");
    };
    await Promise.all(Array.from({ length: 20 }, declare));
    const body = Buffer.concat([Buffer.of(0, 255, 255, 255, 255), Buffer.alloc(1000)]);
    const headers = { "content-type": "application/grpc", te: "trailers" };
    const answer = await http2(url, { path: CREATE, headers, body });
    expect(answer.trailers["grpc-status"] ?? answer.headers["grpc-status"]).not.toBe("0");
  });

  // 200 MB of JSON in 200 KB.
  const zipped = gzipSync(Buffer.alloc(200 * MEGABYTE, " "));
  await victim.endure(async () => {
    const json = { "content-type": "application/json", "content-encoding": "gzip" };
    const grpc = { "content-type": "application/grpc", "grpc-encoding": "gzip", te: "trailers" };
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => [
        await http1(url, { path: CREATE, headers: json, body: zipped }),
        await http2(url, { path: CREATE, headers: json, body: zipped }),
        await http2(url, { path: CREATE, headers: grpc, body: envelope(zipped, 1) }),
      ]),
    );
    for (const [one, two, three] of answers) {
      expect([one?.status, two?.status]).toEqual([429, 429]);
      expect(three?.trailers["grpc-status"] ?? three?.headers["grpc-status"]).toBe("8");
    }
  });

  // As many headers as may be, on many connections that stay open.
  await victim.endure(async () => {
    const headers = `x-${"a".repeat(1000)}: ${"b".repeat(1000)}\r\n`.repeat(7);
    const sockets = await Promise.all(Array.from({ length: 500 }, () => open(port)));
    for (const socket of sockets) socket.resume().write(`GET /livez HTTP/1.1\r\nhost: localhost\r\n${headers}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 500));
    for (const socket of sockets) socket.destroy();
  });

  // One large header in the table of HPACK, and thousands of references to it in each request.
  await victim.endure(async () => {
    const length = Buffer.of(0x7f, 0xa1, 0x1e); // 4,000: 127 and the rest in seven bits each.
    const large = Buffer.concat([Buffer.of(0x40), text("x"), length, Buffer.alloc(4000, "b")]);
    const fields = Buffer.concat([Buffer.of(0x83, 0x86, 0x84, 0x01), text("localhost")]);
    const first = frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.concat([fields, large]));
    const bomb = Buffer.concat([fields, Buffer.alloc(15_000, 0xbe)]);
    let opened = 1;
    const next = () => frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 2 * opened++ + 1, bomb);
    await flood(port, first, next);
  });
}, 60_000);
