import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { createDealer, type Seat } from "../../../src/server/processes/dealer.js";
import { FakeClock } from "../../support/fake-clock.js";

/** A connection from an address, as far as it is dealt. */
function connection(remoteAddress = "203.0.113.7") {
  const socket = {
    remoteAddress,
    isDestroyed: false,
    on: () => socket,
    destroy() {
      socket.isDestroyed = true;
    },
  };
  return socket as unknown as Socket & { readonly isDestroyed: boolean };
}

function open(limits = { maxConnections: 100, maxConnectionsPerAddress: 100 }) {
  const clock = new FakeClock();
  const refused: string[] = [];
  const dealer = createDealer(limits, { clock, observer: { refused: (reason) => void refused.push(reason) } });

  /** Adds a process that answers each offer at once, unless it is slow. */
  function seat({ isSlow = false, isGone = false } = {}) {
    const handed: number[] = [];
    const seat: Seat = dealer.seat({
      offer: () => void (isSlow || queueMicrotask(() => seat.willing())),
      hand(number) {
        if (!isGone) handed.push(number);
        return !isGone;
      },
    });
    return { handed, seat };
  }

  async function deal(count: number, address?: string) {
    const sockets = [];
    for (let at = 0; at < count; at++) {
      const socket = connection(address);
      sockets.push(socket);
      dealer.deal(socket);
      for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    }
    return sockets;
  }
  return { clock, dealer, refused, seat, deal };
}

test("connections are dealt evenly, and a process that comes later is filled up first", async () => {
  const { seat, deal } = open();
  const [one, other] = [seat(), seat()];
  await deal(6);
  expect([one.handed.length, other.handed.length]).toEqual([3, 3]);
  const late = seat();
  await deal(3);
  expect(late.handed).toEqual([7, 8, 9]);
});

test("processes with none open take turns", async () => {
  const { seat, deal } = open();
  const all = [seat(), seat(), seat()];
  for (let at = 1; at <= 6; at++) {
    await deal(1);
    for (const { seat } of all) seat.closed([at]);
  }
  expect(all.map(({ handed }) => handed)).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
});

test("no connection waits for a process that stands still: it is passed over after five milliseconds", async () => {
  const { clock, seat, deal } = open();
  const still = seat({ isSlow: true });
  const other = seat();
  await deal(1);
  expect([still.handed, other.handed]).toEqual([[], []]);
  await clock.advance(5);
  expect(other.handed).toEqual([1]);
  await deal(2);
  expect([still.handed, other.handed]).toEqual([[], [1, 2, 3]]);
  still.seat.willing();
  expect(still.handed).toEqual([]);
  // It is offered the next one again, as it has the fewest.
  await deal(1);
  still.seat.willing();
  expect(still.handed).toEqual([4]);
});

test("of many that wait each process is handed its part, in the order in which they came", async () => {
  const { dealer } = open();
  const answers: (() => void)[] = [];
  for (let at = 0; at < 20; at++) dealer.deal(connection());
  const slow = () => {
    const handed: number[] = [];
    const seat: Seat = dealer.seat({
      offer: () => void answers.push(() => seat.willing()),
      hand: (number) => handed.push(number) > 0,
    });
    return handed;
  };
  const [one, other] = [slow(), slow()];
  while (answers.length > 0) answers.shift()?.();
  expect([one, other]).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8, 17, 18],
    [9, 10, 11, 12, 13, 14, 15, 16, 19, 20],
  ]);
});

test("the limits are those of all processes, and places are free again when connections close or their process ends", async () => {
  const { seat, deal, refused } = open({ maxConnections: 3, maxConnectionsPerAddress: 2 });
  const [one, other] = [seat(), seat()];
  const sockets = await deal(3);
  expect(refused).toEqual(["address_full"]);
  expect(sockets.map(({ isDestroyed }) => isDestroyed)).toEqual([false, false, true]);
  await deal(2, "203.0.113.8");
  expect(refused).toEqual(["address_full", "server_full"]);
  one.seat.closed([1]);
  one.seat.closed([1]);
  await deal(2);
  expect(refused).toEqual(["address_full", "server_full", "server_full"]);
  other.seat.leave();
  other.seat.leave();
  await deal(2);
  expect(refused).toHaveLength(3);
  await deal(1);
  expect(refused).toHaveLength(4);
});

test("a connection that no process takes waits, and is closed after ten seconds", async () => {
  const { clock, seat, deal, refused } = open({ maxConnections: 1, maxConnectionsPerAddress: 1 });
  seat({ isGone: true });
  const [socket] = await deal(1);
  await clock.advance(9_999);
  expect(socket?.isDestroyed).toBe(false);
  await clock.advance(1);
  expect(socket?.isDestroyed).toBe(true);
  const { handed } = seat();
  await deal(1);
  expect([handed.length, refused]).toEqual([1, []]);
});

test("at the end those that wait are closed, and so are those to come", async () => {
  const { dealer, seat, deal } = open();
  const { seat: last } = seat();
  last.close();
  expect(dealer.hasSeats).toBe(false);
  const [waits] = await deal(1);
  dealer.end();
  const [late] = await deal(1);
  expect([waits?.isDestroyed, late?.isDestroyed]).toEqual([true, true]);
});
