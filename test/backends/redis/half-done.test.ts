import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Connection } from "../../../src/backends/redis/link/connection.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { Backend } from "../../../src/core/backend.js";
import type { Engine } from "../../../src/core/engine.js";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { eventually } from "../../support/wait.js";
import { add, createQueue } from "../contract/support.js";
import { newPrefix, openBackend, openEngine } from "./support/open.js";

/** More steps than a create or a delete of these tests has. */
const STEPS = 9;

/** Jobs in a queue that is deleted: more than one part of a deletion deletes. */
const JOBS = 450;

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(() => {
  vi.restoreAllMocks();
});

type Place = { readonly url: string; readonly prefix: string };

/** A server that runs some more scripts, then none: as one that died. It does not look after anything either. */
interface Mortal {
  readonly backend: Backend;
  dieAfter(scripts: number): void;
}

/** Opens mortal servers, one after the other. */
function mortals(): (place: Place) => Promise<Mortal> {
  const left = new Map<Connection, number>();
  /** The first connection to each place. */
  const first = new Map<string, Connection>();
  const run = Connection.prototype.script;
  vi.spyOn(Connection.prototype, "script").mockImplementation(function (this: Connection, ...args) {
    const [, [key = ""]] = args;
    const prefix = key.slice(0, key.indexOf(":"));
    if (!first.has(prefix)) first.set(prefix, this);
    const count = left.get(this) ?? Number.POSITIVE_INFINITY;
    if (count <= 0) return Promise.reject(backendUnavailable("this server is dead"));
    // A heartbeat in between is no step.
    if (!/:(schema|nodes)$/.test(key)) left.set(this, count - 1);
    return run.apply(this, args);
  });
  return async (place) => {
    const { backend } = await openBackend(place);
    const connection = first.get(place.prefix);
    if (connection === undefined) throw new Error("a server that runs no scripts");
    return { backend, dieAfter: (scripts) => void left.set(connection, scripts) };
  };
}

/** Resolves to what there is of a queue: its keys and its entry. Those of its log stay for a day. */
async function remains({ prefix }: Place, queue: string): Promise<string[]> {
  const client = redis.client();
  const keys = createKeys(prefix);
  const found = await client.keys(`${prefix}:{${queue}}:*`);
  const entry = await client.hget(keys.queues, queue);
  return [
    // Answers for repeats end by themselves.
    ...found.filter((key) => key !== keys.log(queue) && key !== keys.position(queue) && !key.includes(":answers:")),
    ...(entry === null ? [] : [`listed ${entry}`]),
  ];
}

/** Resolves when the queue is either whole, and jobs run in it, or gone without a trace. */
async function untilWholeOrGone(engine: Engine, place: Place, queue: string, what: string): Promise<"whole" | "gone"> {
  const check = async () => {
    const [found] = await engine.backend.queues([queue]);
    if (found === undefined) return (await remains(place, queue)).length === 0 ? ("gone" as const) : undefined;
    const entry = await redis.client().hget(createKeys(place.prefix).queues, queue);
    return entry === `${found.createdAt}:1` ? ("whole" as const) : undefined;
  };
  const end = await eventually(check, what);
  if (end === "whole") {
    const { job } = await engine.jobs.create({ queue, type: "work" });
    const isDone = async () => ((await engine.jobs.get(job.id)).status === "DONE" ? true : undefined);
    await eventually(isDone, `a job in the queue after ${what}`);
  } else {
    const isUnknown = async () => ((await engine.backend.queueNames()).length === 1 ? true : undefined);
    await eventually(isUnknown, `the list after ${what}`);
    await createQueue(engine.backend, queue);
  }
  return end;
}

const WHEN = ["a server that was there", "one that starts later"] as const;
const handlers = { work: () => {} };

describe("a server that dies between two steps", () => {
  /** Has servers die after each number of steps; resolves to what became of the queue each time. */
  async function dieAtEachStep(
    when: (typeof WHEN)[number],
    prepare: (backend: Backend) => Promise<unknown>,
    act: (backend: Backend) => Promise<unknown>,
    { first = 0, harm = async () => {} }: { first?: number; harm?: (place: Place) => Promise<unknown> } = {},
  ): Promise<string[]> {
    const open = mortals();
    const dead: { place: Place; engine: Engine | undefined; isDone: boolean }[] = [];
    for (let steps = first; steps < STEPS; steps++) {
      const place = { url: redis.url, prefix: newPrefix() };
      const mortal = await open(place);
      await prepare(mortal.backend);
      const engine = when === WHEN[0] ? await openEngine(place, { handlers }) : undefined;
      await harm(place);
      mortal.dieAfter(steps);
      const isDone = await act(mortal.backend).then(
        () => true,
        () => false,
      );
      mortal.dieAfter(0);
      dead.push({ place, engine, isDone });
    }
    // Otherwise some step was not tried.
    expect(dead.at(-1)?.isDone).toBe(true);
    return Promise.all(
      dead.map(async ({ place, engine }, at) => {
        const heir = engine ?? (await openEngine(place, { handlers }));
        return untilWholeOrGone(heir, place, "mail", `${first + at} steps`);
      }),
    );
  }

  test.each(WHEN)("of a create: %s finishes or undoes it", async (when) => {
    const ends = await dieAtEachStep(
      when,
      async () => {},
      (backend) => createQueue(backend, "mail"),
    );
    expect(ends.slice(0, 2)).toEqual(["gone", "gone"]);
    expect(ends.slice(2)).toEqual(Array(STEPS - 2).fill("whole"));
  });

  const filled = async (backend: Backend) => {
    await createQueue(backend, "mail");
    await add(backend, ...Array.from({ length: JOBS }, () => ({ queue: "mail", type: "other" })));
  };
  const deleted = (backend: Backend) => backend.deleteQueue("mail", true);

  test.each(WHEN)("of a delete: %s finishes it", async (when) => {
    const ends = await dieAtEachStep(when, filled, deleted);
    expect(ends).toEqual(["whole", "whole", ...Array(STEPS - 2).fill("gone")]);
  });

  test.each(WHEN)("of a delete of a queue whose entry is gone: %s finishes it", async (when) => {
    const harm = async ({ prefix }: Place) => redis.client().hdel(createKeys(prefix).queues, "mail");
    // After one step it is only announced: then it goes on to exist, and is in the list again.
    const ends = await dieAtEachStep(when, filled, deleted, { first: 1, harm });
    expect(ends).toEqual(["whole", ...Array(STEPS - 2).fill("gone")]);
  });
});
