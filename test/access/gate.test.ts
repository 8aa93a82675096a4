import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import type { Authorizer } from "../../src/access/authorizer.js";
import type { Admitted } from "../../src/access/caller.js";
import { type AuthFailure, Gate } from "../../src/access/gate.js";
import { hashToken, isToken, newToken } from "../../src/access/hash-token.js";
import type { Need } from "../../src/access/rights.js";
import type { TokenRecord } from "../../src/access/token-record.js";
import { TaskQueueError } from "../../src/model/common/errors.js";
import { FakeClock } from "../support/fake-clock.js";
import { recordingLogger } from "../support/logger.js";

const TOKEN = "a-token-of-20-letters";

/** What is in use of the heap, bytes, after all else was thrown away. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

function record(token: string, more: Partial<TokenRecord> = {}): TokenRecord {
  return { name: "shop", sha256: hashToken(token), scopes: ["read"], queues: undefined, endsAt: undefined, ...more };
}

function setUp(tokens: readonly TokenRecord[], authorizer?: Authorizer, processes?: number) {
  const clock = new FakeClock();
  const logger = recordingLogger();
  const failures: AuthFailure[] = [];
  const gate = new Gate({ clock, logger, refused: (why) => failures.push(why) }, { tokens, authorizer, processes });
  const call = (authorization: string | undefined, need: Need = "read", remoteAddress = "192.0.2.1") =>
    gate.admit(need, "gotaskq.v1.JobService/GetJob", {
      headers: { ...(authorization !== undefined && { authorization }) },
      socket: { remoteAddress } as never,
    });
  /** The reason of the refusal, or the name of who was let in. */
  const outcome = async (...args: Parameters<typeof call>) => {
    try {
      return (await call(...args)).name;
    } catch (error) {
      if (error instanceof TaskQueueError) return error.reason;
      throw error;
    }
  };
  return { gate, clock, logger, failures, call, outcome };
}

describe("a token", () => {
  test("lets in who has it, however its scheme is written, and nobody else", async () => {
    const { outcome, failures } = setUp([record(TOKEN)]);
    for (const good of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER  ${TOKEN} `])
      expect(await outcome(good)).toBe("shop");
    const bad = [
      undefined,
      "",
      TOKEN,
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      "Bearer",
      `Bearer ${hashToken(TOKEN)}`,
    ];
    for (const each of bad) expect(await outcome(each)).toBe("TOKEN_INVALID");
    expect(await outcome(`Bearer ${"x".repeat(100_000)}`)).toBe("TOKEN_INVALID");
    expect(failures.length).toBe(bad.length + 1);
  });

  test("is not kept in as many spellings as blanks allow", async () => {
    const { outcome } = setUp([record(TOKEN)]);
    const before = heapUsed();
    for (let blanks = 6000; blanks < 10_000; blanks++) {
      // Written anew, as it would be by a parser: not a text that only points to others.
      expect(await outcome(Buffer.from(`Bearer${" ".repeat(blanks)}${TOKEN}`).toString("latin1"))).toBe("shop");
    }
    expect(heapUsed() - before).toBeLessThan(10 << 20);
    expect(await outcome(`Bearer ${TOKEN}`)).toBe("shop");
  });

  test("gives its scopes only; admin gives all", async () => {
    const { outcome, failures } = setUp([
      record(TOKEN, { scopes: ["read", "work"] }),
      record(`${TOKEN}2`, { name: "ops", scopes: ["admin"] }),
    ]);
    const needs: Need[] = ["read", "produce", "work", "admin", "token", "reflection", "open"];
    const of = (token: string) => Promise.all(needs.map((need) => outcome(`Bearer ${token}`, need)));
    expect(await of(TOKEN)).toEqual(["shop", "SCOPE_MISSING", "shop", "SCOPE_MISSING", "shop", "", ""]);
    expect(await of(`${TOKEN}2`)).toEqual(["ops", "ops", "ops", "ops", "ops", "", ""]);
    expect(failures).toEqual(["scope", "scope"]);
  });

  test("lets nobody make a call that has no row in the table", async () => {
    const { gate } = setUp([record(TOKEN, { scopes: ["admin"] })]);
    const source = { headers: { authorization: `Bearer ${TOKEN}` }, socket: undefined };
    expect(() => gate.admit(undefined, "some.v1.Service/Method", source)).toThrow(TaskQueueError);
  });

  test("ends at its end date, also for who was let in before and for calls under way", async () => {
    const endsAt = new FakeClock().now() + 3_600_000;
    const { call, clock, outcome } = setUp([record(TOKEN, { endsAt })]);
    const admitted = (await call(`Bearer ${TOKEN}`)) as Admitted;
    let ended = 0;
    admitted.whenEnded(() => ended++);
    const leave = admitted.whenEnded(() => expect.unreachable("it was taken off"));
    leave();
    await clock.advance(3_599_999);
    expect([ended, await outcome(`Bearer ${TOKEN}`)]).toEqual([0, "shop"]);
    await clock.advance(1);
    expect([ended, await outcome(`Bearer ${TOKEN}`)]).toEqual([1, "TOKEN_INVALID"]);
    expect(clock.timers).toBe(0);
    admitted.whenEnded(() => ended++);
    expect(ended).toBe(2);
  });

  test("ends for calls under way when the wall clock is set beyond its end date, within a minute", async () => {
    const { call, clock } = setUp([record(TOKEN, { endsAt: new FakeClock().now() + 86_400_000 })]);
    const admitted = (await call(`Bearer ${TOKEN}`)) as Admitted;
    let ended = 0;
    admitted.whenEnded(() => ended++);
    clock.stepWall(86_400_000);
    await clock.advance(60_000);
    expect(ended).toBe(1);
  });

  test("that is taken away or changed ends calls under way; one that stays goes on", async () => {
    const others = [record(`${TOKEN}2`, { name: "b" }), record(`${TOKEN}3`, { name: "c" })];
    const { gate, call, outcome } = setUp([record(TOKEN), ...others]);
    const ended: string[] = [];
    for (const token of [TOKEN, `${TOKEN}2`, `${TOKEN}3`]) {
      const admitted = (await call(`Bearer ${token}`)) as Admitted;
      admitted.whenEnded(() => ended.push(admitted.name));
    }
    gate.replace([
      record(TOKEN),
      record(`${TOKEN}2`, { name: "b", queues: ["mail"] }),
      record(`${TOKEN}4`, { name: "d" }),
    ]);
    expect(ended).toEqual(["b", "c"]);
    const outcomes = await Promise.all(["", "2", "3", "4"].map((end) => outcome(`Bearer ${TOKEN}${end}`)));
    expect(outcomes).toEqual(["shop", "b", "TOKEN_INVALID", "d"]);
    expect(((await call(`Bearer ${TOKEN}2`)) as Admitted).queues?.list).toEqual(["mail"]);
  });
});

describe("failed attempts", () => {
  const retryOf = async (run: () => unknown) => {
    try {
      await run();
    } catch (error) {
      return (error as TaskQueueError).retryAfterMs;
    }
    return "let in";
  };

  test("are told to wait once an address has too many, and no valid token is slowed down by them", async () => {
    const { call, logger, clock } = setUp([record(TOKEN)]);
    const waits = [];
    for (let tries = 0; tries < 25; tries++) waits.push(await retryOf(() => call(`Bearer wrong-${tries}`)));
    expect(waits.findIndex((wait) => wait !== undefined)).toBe(19);
    expect(waits.slice(19).every((wait) => wait === 1000)).toBe(true);
    expect(await retryOf(() => call(`Bearer ${TOKEN}`))).toBe("let in");
    expect(await retryOf(() => call("Bearer wrong", "read", "192.0.2.2"))).toBeUndefined();
    expect(logger.lines.filter(({ level }) => level === "warn").length).toBe(1);
    await clock.advance(5000);
    expect(await retryOf(() => call("Bearer wrong"))).toBeUndefined();
  });

  test("are shared out among the processes of a server", async () => {
    const { call, logger } = setUp([record(TOKEN)], undefined, 4);
    const waits = [];
    for (let tries = 0; tries < 8; tries++) waits.push(await retryOf(() => call(`Bearer wrong-${tries}`)));
    expect(waits).toEqual([undefined, undefined, undefined, undefined, 4000, 4000, 4000, 4000]);
    expect(logger.lines.filter(({ level }) => level === "warn").length).toBe(1);
  });

  test("count for a whole IPv6 network, and for IPv4 in either spelling", async () => {
    const { call } = setUp([record(TOKEN)]);
    for (let tries = 0; tries < 20; tries++) {
      await retryOf(() => call("Bearer wrong", "read", `2001:db8:0:1::${tries}`));
      await retryOf(() => call("Bearer wrong", "read", "::ffff:192.0.2.7"));
    }
    expect(await retryOf(() => call("Bearer wrong", "read", "2001:db8:0:1:ffff::1"))).toBe(1000);
    expect(await retryOf(() => call("Bearer wrong", "read", "2001:db8:0:2::1"))).toBeUndefined();
    expect(await retryOf(() => call("Bearer wrong", "read", "192.0.2.7"))).toBe(1000);
  });
});

describe("an authorizer", () => {
  test("is asked for what no token allows, and tells who it is", async () => {
    const asked: string[] = [];
    const { outcome, call } = setUp([record(TOKEN)], ({ headers, method, remoteAddress }) => {
      asked.push(`${headers.authorization} ${method} ${remoteAddress}`);
      return headers.authorization === "Bearer jwt" ? { name: "jwt", scopes: ["produce"], queues: ["a"] } : undefined;
    });
    expect(await outcome(`Bearer ${TOKEN}`)).toBe("shop");
    expect(asked).toEqual([]);
    expect(await outcome("Bearer jwt", "produce")).toBe("jwt");
    expect(await outcome("Bearer jwt", "read")).toBe("SCOPE_MISSING");
    expect(await outcome("Bearer other", "produce")).toBe("TOKEN_INVALID");
    expect(await outcome(undefined, "produce")).toBe("TOKEN_INVALID");
    expect(asked[0]).toBe("Bearer jwt gotaskq.v1.JobService/GetJob 192.0.2.1");
    expect(((await call("Bearer jwt", "produce")) as Admitted).queues?.list).toEqual(["a"]);
  });

  test.each<[string, Authorizer]>([
    ["throws", () => Promise.reject(new Error("the key server is away"))],
    [
      "throws at once",
      () => {
        throw new Error("a bug");
      },
    ],
    ["answers with no scopes", () => ({ name: "x", scopes: [] })],
    ["answers with true", () => true as never],
    ["answers with a scope that is none", () => ({ name: "x", scopes: ["everything"] as never })],
    ["answers with an end that is none", () => ({ name: "x", scopes: ["admin"], endsAt: Number.NaN })],
    ["answers with no queues", () => ({ name: "x", scopes: ["admin"], queues: [] })],
  ])("that %s opens nothing, and the log says why", async (_, authorizer) => {
    const { outcome, logger, failures } = setUp([], authorizer);
    expect(await outcome("Bearer x")).toBe("AUTHORIZER_UNAVAILABLE");
    expect(logger.lines.filter(({ level }) => level === "error").length).toBe(1);
    expect(failures).toEqual(["authorizer"]);
  });

  test("that never answers opens nothing", async () => {
    const { outcome, clock } = setUp([], () => new Promise(() => {}));
    const told = outcome("Bearer x");
    await clock.advance(10_000);
    expect(await told).toBe("AUTHORIZER_UNAVAILABLE");
  });

  test("is not asked any more by an address that failed too often", async () => {
    let asked = 0;
    const { outcome, failures } = setUp([record(TOKEN)], () => {
      asked++;
      return undefined;
    });
    for (let tries = 0; tries < 30; tries++) await outcome("Bearer x");
    expect(asked).toBe(20);
    expect(await outcome("Bearer x")).toBe("TOO_MANY_ATTEMPTS");
    expect(failures.at(-1)).toBe("limited");
    expect(await outcome(`Bearer ${TOKEN}`)).toBe("shop");
  });

  test("is asked for those whom it knows, whoever fails at their address", async () => {
    let known = ["Bearer good", "Bearer late"];
    const { outcome } = setUp([], ({ headers: { authorization = "" } }) =>
      known.includes(authorization) ? { name: authorization.slice(7), scopes: ["read"] } : undefined,
    );
    expect(await outcome("Bearer good")).toBe("good");
    for (let tries = 0; tries < 30; tries++) await outcome(`Bearer wrong-${tries}`);
    expect(await outcome("Bearer good")).toBe("good");
    expect(await outcome("Bearer good")).toBe("good");
    // Nothing tells these from the others.
    expect([await outcome("Bearer late"), await outcome(undefined)]).toEqual([
      "TOO_MANY_ATTEMPTS",
      "TOO_MANY_ATTEMPTS",
    ]);
    // Who is not known any more is one of the others.
    known = [];
    expect([await outcome("Bearer good"), await outcome("Bearer good")]).toEqual([
      "TOKEN_INVALID",
      "TOO_MANY_ATTEMPTS",
    ]);
  });

  test("that is slow is asked for those whom it knows, however many strangers wait for it", async () => {
    const { outcome, clock } = setUp([], ({ headers: { authorization } }) =>
      authorization === "Bearer good" ? { name: "good", scopes: ["read"] } : new Promise(() => {}),
    );
    expect(await outcome("Bearer good")).toBe("good");
    const strangers = Array.from({ length: 1000 }, (_, index) => outcome("Bearer x", "read", `192.0.2.${index % 250}`));
    expect(await outcome("Bearer good")).toBe("good");
    await clock.advance(10_000);
    const outcomes = await Promise.all(strangers);
    expect(outcomes.filter((each) => each === "TOO_MANY_ATTEMPTS").length).toBe(500);
    expect(clock.timers).toBe(0);
  });

  test("may say that the rights end", async () => {
    const endsAt = new FakeClock().now() + 90_000;
    const { outcome, call, clock } = setUp([], () => ({ name: "x", scopes: ["read"], endsAt: new Date(endsAt) }));
    expect(await outcome("Bearer x")).toBe("x");
    const admitted = (await call("Bearer x")) as Admitted;
    let ended = 0;
    admitted.whenEnded(() => ended++);
    await clock.advance(90_000);
    expect(ended).toBe(1);
    expect(await outcome("Bearer x")).toBe("TOKEN_INVALID");
  });
});

test("a new token has the form of one", () => {
  expect(isToken(newToken())).toBe(true);
  expect(newToken()).not.toBe(newToken());
});
