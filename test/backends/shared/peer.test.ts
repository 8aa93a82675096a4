import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { FrameReader } from "../../../src/backends/shared/codec/frames.js";
import type { Notice } from "../../../src/backends/shared/codec/messages.js";
import { Peer } from "../../../src/backends/shared/store/peer.js";

const FULL = 4 * 2 ** 20;

/** A socket whose other end reads when the test says so. */
class HeldSocket extends EventEmitter {
  writableLength = 0;
  readonly told: Notice[] = [];
  readonly #reader = new FrameReader((messages) => this.told.push(...(messages as Notice[])));
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  destroy(): void {}
  write(frame: Buffer): void {
    this.#reader.push(frame);
  }
}

test("who has missed a notice is told no later one before it has read all and knows that it missed something", () => {
  const socket = new HeldSocket();
  const peer = new Peer(socket as unknown as Socket, {
    ...{ serve() {}, dirty() {}, closed() {}, broken() {} },
    caughtUp: (each) => each.tell([0, "missed", true]),
  });
  socket.writableLength = FULL;
  peer.tell([0, "available", false]);
  // It has begun to read.
  socket.writableLength = 1;
  peer.tell([0, "due", 1]);
  peer.ready("default", null);
  peer.flush();
  expect(socket.told).toEqual([]);
  socket.writableLength = 0;
  socket.emit("drain");
  peer.tell([0, "due", 2]);
  peer.flush();
  expect(socket.told).toEqual([
    [0, "missed", true],
    [0, "due", 2],
  ]);
});
