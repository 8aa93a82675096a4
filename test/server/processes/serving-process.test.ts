import { expect, test } from "vitest";
import { createDealer } from "../../../src/server/processes/dealer.js";
import type { FromServing, ToServing } from "../../../src/server/processes/messages.js";
import { ServingProcess, tellEachOther } from "../../../src/server/processes/serving-process.js";
import type { ChildListener } from "../../../src/supervisor/supervised-child.js";
import type { Supervisor } from "../../../src/supervisor/supervisor.js";
import { FakeClock } from "../../support/fake-clock.js";

/** Two processes of one server, without the processes. */
function open() {
  const clock = new FakeClock();
  const dealer = createDealer(
    { maxConnections: 10, maxConnectionsPerAddress: 10 },
    { clock, observer: { refused() {} } },
  );
  const all: ServingProcess[] = [];
  const one = () => {
    const sent: ToServing[] = [];
    let proved = 0;
    let listener: ChildListener = {};
    const supervisor = {
      add(given: ChildListener) {
        listener = given;
        return { send: (message: ToServing) => sent.push(message) > 0, proved: () => void proved++ };
      },
    } as unknown as Supervisor;
    const duties = { serving() {}, refused() {}, ended() {}, tell: async () => undefined, failed() {} };
    const process = new ServingProcess(supervisor, {}, clock, dealer, { ...duties, changed: () => tellEachOther(all) });
    all.push(process);
    return {
      process,
      sent,
      proved: () => proved,
      says: (message: FromServing) => listener.message?.(message),
      ends: () => listener.ended?.({ code: 1, signal: null, lastWords: "" }),
      /** What it was told last of the others. */
      told: () => sent.filter((message) => message.kind === "others").at(-1),
    };
  };
  return { clock, dealer, one: one(), other: one() };
}

const SERVING: FromServing = { kind: "serving", start: { backend: "redis", handlers: undefined } };

test("each process is told whether all others can reach the store, of those that serve", () => {
  const { one, other } = open();
  one.says(SERVING);
  other.says(SERVING);
  one.says({ kind: "available", isAvailable: false });
  expect(one.told()).toEqual({ kind: "others", areAvailable: true });
  expect(other.told()).toEqual({ kind: "others", areAvailable: false });
  other.says({ kind: "available", isAvailable: false });
  expect(one.told()).toEqual({ kind: "others", areAvailable: false });
  other.says({ kind: "available", isAvailable: true });
  one.ends();
  other.says({ kind: "available", isAvailable: true });
  expect(other.told()).toEqual({ kind: "others", areAvailable: true });
});

test("a process that closes is dealt no more connections, and told when it has the last one", () => {
  const { dealer, one } = open();
  one.says(SERVING);
  expect(dealer.hasSeats).toBe(true);
  one.says({ kind: "closing" });
  expect(dealer.hasSeats).toBe(false);
  expect(one.sent).toContainEqual({ kind: "dealt" });
});

test("a question has an answer: what is told, or nothing once the process ends or stands still for three seconds", async () => {
  const { clock, one, other } = open();
  one.says(SERVING);
  const read = one.process.readPage();
  expect(one.sent).toContainEqual({ kind: "ask", ask: 1, what: "page" });
  one.says({ kind: "answer", ask: 1, value: { body: "page", across: {} } });
  await read;
  expect(one.process.page?.body).toBe("page");
  const late = one.process.readPage();
  await clock.advance(3000);
  await late;
  expect(one.process.page?.body).toBe("page");
  const workers = one.process.workers();
  one.ends();
  expect(await workers).toBeUndefined();
  expect(one.process.page).toBeUndefined();
  expect(await other.process.workers()).toBeUndefined();
});

test("a process that has served for ten seconds is one that may start again at once", async () => {
  const { clock, one, other } = open();
  one.says(SERVING);
  other.says(SERVING);
  await clock.advance(9_999);
  other.ends();
  await clock.advance(1);
  expect([one.proved(), other.proved()]).toEqual([1, 0]);
});
