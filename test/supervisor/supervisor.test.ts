import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createSystemClock } from "../../src/core/clock.js";
import { type ChildEnd, describeEnd } from "../../src/supervisor/child-end.js";
import { restartDelay } from "../../src/supervisor/restart-backoff.js";
import type { ChildSelf, SupervisedChild } from "../../src/supervisor/supervised-child.js";
import { createSupervisor, type Supervisor } from "../../src/supervisor/supervisor.js";
import { recordingLogger } from "../support/logger.js";
import { eventually, within } from "../support/wait.js";

/** Each test starts processes. */
vi.setConfig({ testTimeout: 30_000 });

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

/** A child, and what was heard of it. */
interface Watched {
  readonly child: SupervisedChild;
  readonly messages: unknown[];
  readonly ends: ChildEnd[];
  /** Resolves once it has been ready so often. */
  ready(times?: number): Promise<void>;
  /** Resolves to its messages once there are so many. */
  heard(count: number): Promise<unknown[]>;
  /** Resolves to its ends once there are so many. */
  ended(count?: number): Promise<ChildEnd[]>;
}

function open(args: readonly string[] = []) {
  if (!existsSync(fixture("../../../.build/src/supervisor"))) throw new Error("run `npm run build` first");
  const logger = recordingLogger();
  const supervisor = createSupervisor({ path: fixture("child.mjs"), args }, { clock: createSystemClock(), logger });
  onTestFinished(() => supervisor.stop(0));
  return { supervisor, logger };
}

function add(supervisor: Supervisor, self?: ChildSelf): Watched {
  const messages: unknown[] = [];
  const ends: ChildEnd[] = [];
  let readies = 0;
  const listener = {
    ready: () => void readies++,
    message: (body: unknown) => void messages.push(body),
    ended: (end: ChildEnd) => void ends.push(end),
  };
  const child = supervisor.add(listener, self);
  const list = <T>(items: T[], count: number, what: string) =>
    eventually(async () => (items.length >= count ? items : undefined), what);
  return {
    ...{ child, messages, ends },
    async ready(times = 1) {
      await eventually(async () => readies >= times || undefined, `a child that is ready ${times} times`);
    },
    heard: (count) => list(messages, count, "messages of a child"),
    ended: (count = 1) => list(ends, count, "the end of a child"),
  };
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("a child under a supervisor", () => {
  test("hears messages and answers, in order, with bytes as bytes", async () => {
    const { supervisor } = open();
    const one = add(supervisor);
    await one.ready();
    const sent = [{ n: 1 }, { bytes: new Uint8Array([0, 255]) }, { none: undefined, list: [1, null] }];
    for (const body of sent) one.child.send(body);
    expect(await one.heard(3)).toEqual(sent);
    expect((one.messages[1] as { bytes: unknown }).bytes).toBeInstanceOf(Uint8Array);
  });

  test("is replaced when it ends, and the others stay", async () => {
    const { supervisor, logger } = open();
    const [one, other] = [add(supervisor), add(supervisor)];
    await Promise.all([one.ready(), other.ready()]);
    const [pid, otherPid] = [one.child.pid, other.child.pid];
    one.child.send({ do: "exit", code: 3 });
    expect(await one.ended()).toMatchObject([{ code: 3, signal: null }]);
    await one.ready(2);
    expect(one.child.pid).not.toBe(pid);
    expect(other.child.pid).toBe(otherPid);
    expect(logger.lines).toMatchObject([{ level: "warn", fields: { how: "it exited with 3", restartsInMs: 0 } }]);
  });

  test("is replaced when it is killed in an endless loop, and nobody is told that it ended by itself", async () => {
    const { supervisor, logger } = open();
    const one = add(supervisor);
    await one.ready();
    one.child.send({ do: "loop" });
    one.child.kill();
    expect(await one.ended()).toMatchObject([{ code: null, signal: "SIGKILL" }]);
    await one.ready(2);
    expect(logger.lines).toEqual([]);
  });

  test("that ends again and again is started later each time, until it was of use", async () => {
    const { supervisor, logger } = open(["breaks"]);
    const one = add(supervisor);
    await one.ended(4);
    const delays = () => logger.lines.map(({ fields }) => fields.restartsInMs);
    expect(delays()).toEqual([0, 100, 200, 400]);
    one.child.proved();
    await one.ended(5);
    expect(delays().at(-1)).toBe(0);
  });

  test("is handed connections, which are its own then, and has arguments and an environment of its own", async () => {
    const { supervisor } = open();
    const one = add(supervisor, { args: ["more"], env: { ...process.env, OF_CHILD: "yes" } });
    await one.ready();
    const server = createServer({ pauseOnConnect: true }, (socket) => one.child.send({ do: "answer" }, socket));
    onTestFinished(() => void server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.end("hello");
    const [chunk] = await within(once(client, "data"), "the answer of the child");
    expect(String(chunk)).toBe("hello to more, yes");
  });

  test("that is irreplaceable is not started again, and waited for by nobody", async () => {
    const { supervisor, logger } = open();
    const one = add(supervisor, { isIrreplaceable: true });
    await one.ready();
    one.child.send({ do: "exit", code: 3 });
    expect(await one.ended()).toMatchObject([{ code: 3 }]);
    await within(supervisor.stop(20_000), "the end of the supervisor");
    expect([one.child.pid, one.ends.length, logger.lines]).toEqual([undefined, 1, []]);
  });

  test("leaves SIGTERM and SIGINT to its supervisor", async () => {
    const { supervisor } = open();
    const one = add(supervisor);
    await one.ready();
    for (const signal of ["SIGTERM", "SIGINT"]) process.kill(Number(one.child.pid), signal);
    one.child.send({ still: "there" });
    expect(await one.heard(1)).toEqual([{ still: "there" }]);
    expect(one.ends).toEqual([]);
  });
});

describe("a supervisor that stops", () => {
  test("has its children end in order, and starts no others", async () => {
    const { supervisor } = open();
    const watched = [add(supervisor), add(supervisor)];
    await Promise.all(watched.map((each) => each.ready()));
    const pids = watched.map(({ child }) => child.pid);
    await within(supervisor.stop(20_000), "the end of the supervisor");
    for (const { messages, ends } of watched) {
      expect(messages).toEqual([{ told: "stop" }]);
      expect(ends).toMatchObject([{ code: 0 }]);
    }
    expect(pids.some(isAlive)).toBe(false);
    expect(() => add(supervisor)).toThrow("the supervisor is stopped");
  });

  test("kills those that do not end within the grace period", async () => {
    const { supervisor } = open();
    const [hangs, loops] = [add(supervisor), add(supervisor)];
    await Promise.all([hangs.ready(), loops.ready()]);
    hangs.child.send({ do: "hang" });
    loops.child.send({ do: "loop" });
    await within(supervisor.stop(100), "the end of the supervisor");
    expect([...hangs.ends, ...loops.ends]).toMatchObject([{ signal: "SIGKILL" }, { signal: "SIGKILL" }]);
  });

  test("waits for no child that is about to be started again", async () => {
    const { supervisor } = open(["breaks"]);
    const one = add(supervisor);
    await one.ended(3);
    await within(supervisor.stop(20_000), "the end of the supervisor");
    expect(one.child.pid).toBeUndefined();
  });
});

test("a child in an endless loop ends when the process of its supervisor is killed", async () => {
  const parent = spawn(process.execPath, [fixture("parent.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void parent.kill("SIGKILL"));
  const [chunk] = await within(once(parent.stdout, "data"), "the child's process id");
  const pid = Number(chunk);
  onTestFinished(() => void (isAlive(pid) && process.kill(pid, "SIGKILL")));
  expect(isAlive(pid)).toBe(true);
  parent.kill("SIGKILL");
  await eventually(async () => !isAlive(pid) || undefined, "the end of the child");
});

test("waits between starts double up to five seconds", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 100].map(restartDelay)).toEqual([
    0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000,
  ]);
});

test.each<[Partial<ChildEnd>, string]>([
  [{ code: 0 }, "it exited with 0"],
  [{ signal: "SIGSEGV" }, "it was killed by SIGSEGV"],
  [{ signal: "SIGKILL" }, "it was killed by SIGKILL, as the system does when memory runs out"],
  [
    { signal: "SIGABRT", lastWords: "FATAL ERROR: Reached heap limit … JavaScript heap out of memory" },
    "it ran out of memory",
  ],
])("an end %o is told as: %s", (end, text) => {
  expect(describeEnd({ code: null, signal: null, lastWords: "", ...end })).toBe(text);
});
