import { describe, expect, test } from "vitest";
import { defineHandlers } from "../../../src/model/handler/define-handlers.js";
import type { HandlerContext, HandlerJob, Handlers } from "../../../src/model/handler/handler.js";
import { type Middleware, withMiddleware } from "../../../src/model/handler/middleware.js";

/** Runs the handler of a type, with a job and a context that have nothing else. */
async function run(handlers: Handlers, type: string): Promise<unknown> {
  return handlers[type]?.({ type } as HandlerJob, {} as HandlerContext);
}

describe("middleware", () => {
  test("runs around each handler, the first outermost, and hands on what it returns or throws", async () => {
    const seen: string[] = [];
    const layer =
      (name: string): Middleware =>
      async (job, _, next) => {
        seen.push(`${name} ${job.type}`);
        try {
          await next();
        } finally {
          seen.push(`/${name}`);
        }
      };
    const broken = new Error("broken");
    const handlers = withMiddleware({ ok: () => 7, bad: () => Promise.reject(broken) }, [layer("a"), layer("b")]);
    expect(Object.keys(handlers)).toEqual(["ok", "bad"]);
    expect(await run(handlers, "ok")).toBe(7);
    expect(seen.splice(0)).toEqual(["a ok", "b ok", "/b", "/a"]);
    await expect(run(handlers, "bad")).rejects.toBe(broken);
    expect(seen).toEqual(["a bad", "b bad", "/b", "/a"]);
  });

  test("may answer in place of a handler, change its result, and call it once only", async () => {
    const called: string[] = [];
    const handlers = { a: () => void called.push("a"), b: () => 1, c: () => 2 };
    const wrapped = withMiddleware(handlers, [
      async (job, _, next) => {
        if (job.type === "a") return "not run";
        const result = await next();
        if (job.type === "b") return null;
        await next();
        return result;
      },
    ]);
    expect([await run(wrapped, "a"), called]).toEqual(["not run", []]);
    expect(await run(wrapped, "b")).toBeNull();
    await expect(run(wrapped, "c")).rejects.toThrow("next() was called twice");
  });

  test("that does not wait for the rest has the outcome of the rest, and ends no process by it", async () => {
    const late = new Error("late");
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    const handlers = { ok: () => turn().then(() => 7), bad: () => turn().then(() => Promise.reject(late)) };
    const forgets = withMiddleware(handlers, [(_, __, next) => void next()]);
    expect(await run(forgets, "ok")).toBe(7);
    await expect(run(forgets, "bad")).rejects.toBe(late);
    const catches = withMiddleware(handlers, [(_, __, next) => next().then(undefined, () => {})]);
    expect(await run(catches, "bad")).toBeUndefined();
    // The runner of tests fails when the error of the handler is handled by nobody.
    const decides = withMiddleware(handlers, [
      (_, __, next) => {
        next();
        return 1;
      },
    ]);
    expect(await run(decides, "bad")).toBe(1);
    const twice = withMiddleware(handlers, [(_, __, next) => [next(), next()].length]);
    await expect(run(twice, "bad")).rejects.toThrow("next() was called twice");
    let kept: (() => Promise<unknown>) | undefined;
    const keeps = withMiddleware(handlers, [
      (_, __, next) => {
        kept = next;
      },
    ]);
    expect(await run(keeps, "bad")).toBeUndefined();
    await expect(kept?.()).rejects.toThrow("next() was called by a middleware that had ended");
    await turn();
  });

  test("leaves handlers as they are when there is none, and their `this` as it is when there is some", async () => {
    const handlers = {
      greeting: () => "hello",
      greet(this: { greeting(): string }) {
        return this.greeting();
      },
    } as unknown as Handlers;
    expect(withMiddleware(handlers, [])).toBe(handlers);
    expect(await run(withMiddleware(handlers, [(_, __, next) => next()]), "greet")).toBe("hello");
  });

  test("that is no function is refused by its place", () => {
    expect(() => withMiddleware({ a: () => 1 }, [5 as never])).toThrow(
      new TypeError("middleware[0]: must be a function"),
    );
    expect(() => withMiddleware({ a: () => 1 }, "log" as never)).toThrow("middleware: must be a list of functions");
  });
});

interface Jobs {
  mail: { payload: { to: string; at: Date }; result: { id: string } };
  ping: object;
}

/** The compiler runs this test: the check of types covers this file. */
test("handlers that do not fit the declared jobs do not compile", () => {
  const ping = () => {};
  const mail = async ({ payload }: HandlerJob<{ to: string; at: string }>) => ({ id: payload.to + payload.at });
  const all = defineHandlers<Jobs>({ mail, ping });
  const some = defineHandlers<Jobs, "ping">({
    async ping(_, { enqueue }) {
      await enqueue({ type: "mail", payload: { to: "a", at: new Date() }, priority: 1 });
      // @ts-expect-error: the payload lacks `at`
      await enqueue({ type: "mail", payload: { to: "a" } });
      // @ts-expect-error: there is no such type
      await enqueue({ type: "mial" });
    },
  });
  // Both serve wherever handlers are taken.
  const taken: Handlers[] = [all, some, defineHandlers({ anything: ({ payload }) => payload.whatever })];
  // @ts-expect-error: `ping` is missing
  defineHandlers<Jobs>({ mail });
  // @ts-expect-error: a name that is none
  defineHandlers<Jobs>({ mail, ping, pong: ping });
  // @ts-expect-error: a Date arrives as a text
  defineHandlers<Jobs, "mail">({ mail: ({ payload }) => ({ id: String(payload.at.getTime()) }) });
  // @ts-expect-error: a wrong result
  defineHandlers<Jobs, "mail">({ mail: () => ({ id: 5 }) });
  expect(taken.map((handlers) => Object.keys(handlers))).toEqual([["mail", "ping"], ["ping"], ["anything"]]);
  expect(() => defineHandlers({ mail: 5 as never })).toThrow('handlers: the handler of "mail" is not a function');
});
