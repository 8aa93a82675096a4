import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { GREETING, head, initialWindow } from "../support/http2-frames.js";
import { eventually, within } from "../support/wait.js";
import { open } from "../support/wire.js";
import { startVictim } from "./victim.js";

/** Opens many connections that send this, and then some bytes again and again, until the server has closed all of them. */
async function trickle(port: number, count: number, first: Uint8Array | string, again: string): Promise<void> {
  const sockets: Socket[] = [];
  const closed: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    const socket = await open(port);
    closed.push(new Promise<void>((resolve) => socket.resume().once("close", () => resolve())));
    socket.write(first);
    sockets.push(socket);
  }
  const timer = setInterval(() => {
    for (const socket of sockets) if (!socket.destroyed) socket.write(again);
  }, 300);
  await within(Promise.all(closed), "the end of all slow connections", 20_000).finally(() => clearInterval(timer));
}

test("clients that are slow in every way take nothing from others, and end", async () => {
  const victim = await startVictim({ REQUEST_TIMEOUT: "1s", WRITE_TIMEOUT: "1s", MAX_STREAMS: "500" });
  const { port } = victim;
  const path = "/gotaskq.v1.JobService/CreateJob";

  // 1,000 connections whose headers never end.
  await victim.endure(() => trickle(port, 1000, `POST ${path} HTTP/1.1\r\nhost: localhost\r\nx-`, "a"));

  // 2,000 connections whose bodies never end.
  const type = "content-type: application/json";
  const begun = `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${type}\r\ncontent-length: 4000000\r\n\r\n{`;
  await victim.endure(() => trickle(port, 2000, begun, " "));

  // 6,000 calls, more than there are places, on one connection of HTTP/2 whose bodies never come, again and again.
  await victim.endure(async () => {
    for (let round = 0; round < 3; round++) {
      const socket = await open(port);
      const calls = Array.from({ length: 6000 }, (_, index) => head(2 * index + 1, path));
      socket.resume().write(Buffer.concat([GREETING, ...calls]));
      await new Promise<void>((resolve) => setTimeout(resolve, 500));
      socket.destroy();
    }
  });

  // Watchers that take nothing: by windows of HTTP/2, and by TCP.
  await victim.endure(async () => {
    const watch = "/gotaskq.v1.JobService/WatchJobs";
    const body = Buffer.alloc(5);
    const data = (stream: number) =>
      Buffer.concat([Buffer.of(0, 0, 5, 0, 1, 0, 0), Buffer.of(stream >> 8, stream & 255), body]);
    const sockets: Socket[] = [];
    for (let client = 0; client < 20; client++) {
      const socket = await open(port);
      const calls = Array.from({ length: 20 }, (_, index) => [head(2 * index + 1, watch), data(2 * index + 1)]);
      socket.resume().write(Buffer.concat([GREETING, initialWindow(0), ...calls.flat()]));
      sockets.push(socket);
    }
    const envelope = "\0\0\0\0\x02{}";
    for (let client = 0; client < 50; client++) {
      const socket = await open(port);
      socket.pause();
      const type = "content-type: application/connect+json";
      socket.write(`POST ${watch} HTTP/1.1\r\nhost: localhost\r\n${type}\r\ncontent-length: 7\r\n\r\n${envelope}`);
      sockets.push(socket);
    }
    const opened = async () => ((await victim.metric("gotaskq_open_streams")) >= 400 ? true : undefined);
    await eventually(opened, "the watches");
    // Those of HTTP/1.1 get what their socket takes, which is more than comes in this time.
    const ended = async () => ((await victim.metric("gotaskq_open_streams")) <= 50 ? true : undefined);
    await eventually(ended, "the end of the watches that take nothing");
    expect(await victim.metric("gotaskq_connections_refused_total")).toBeGreaterThanOrEqual(400);
    for (const socket of sockets) socket.destroy();
  });
}, 90_000);
