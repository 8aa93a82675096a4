import { expect, test } from "vitest";
import { ChannelReading } from "../../../../src/backends/redis/log/channel-reading.js";
import { FakeClock } from "../../../support/fake-clock.js";

function open() {
  const clock = new FakeClock();
  const channel = {
    isPaused: false,
    pending: 0,
    hold() {
      channel.isPaused = true;
      return () => {
        channel.isPaused = false;
      };
    },
  };
  const reading = new ChannelReading(clock, () => channel);
  /** So many notices, one each so many ms. */
  async function hear(count: number, everyMs: number, isCall = false) {
    for (let at = 0; at < count; at++) {
      await clock.advance(everyMs);
      reading.heard(isCall);
    }
  }
  return { clock, channel, reading, hear };
}

test("few notices are read as they come", async () => {
  const { channel, hear } = open();
  await hear(20, 3);
  expect(channel.isPaused).toBe(false);
});

test("of many, those that come within 5 ms are read together", async () => {
  const { clock, channel, reading, hear } = open();
  await hear(4, 2);
  expect(channel.isPaused).toBe(false);
  await hear(1, 2);
  expect(channel.isPaused).toBe(true);
  await clock.advance(4);
  expect(channel.isPaused).toBe(true);
  await clock.advance(1);
  expect(channel.isPaused).toBe(false);
  // What has come meanwhile, at once.
  for (let count = 0; count < 3; count++) reading.heard(false);
  expect(channel.isPaused).toBe(true);
  await clock.advance(5);
  expect(channel.isPaused).toBe(false);
});

test("while somebody watches here all are read at once", async () => {
  const { channel, reading, hear } = open();
  await hear(8, 0);
  expect(channel.isPaused).toBe(true);
  reading.watched(true);
  expect(channel.isPaused).toBe(false);
  reading.watched(true);
  reading.watched(false);
  await hear(8, 0);
  expect(channel.isPaused).toBe(false);
  reading.watched(false);
  await hear(8, 0);
  expect(channel.isPaused).toBe(true);
});

test("after one that had this server look for jobs all are read at once for a while", async () => {
  const { channel, hear } = open();
  await hear(1, 0, true);
  await hear(100, 1);
  expect(channel.isPaused).toBe(false);
  await hear(101, 1);
  expect(channel.isPaused).toBe(true);
});

test("a connection that was made anew is not read on for the one before", async () => {
  const { clock, channel, reading, hear } = open();
  await hear(8, 0);
  reading.resume();
  await clock.advance(1);
  channel.hold();
  await clock.advance(10);
  expect(channel.isPaused).toBe(true);
});

test("what has come is read before the next pause, however many pieces it came in", async () => {
  const { channel, hear } = open();
  channel.pending = 100;
  await hear(20, 0);
  expect(channel.isPaused).toBe(false);
  channel.pending = 0;
  await hear(1, 0);
  expect(channel.isPaused).toBe(true);
});
