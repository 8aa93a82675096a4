import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/model/common/limits.js";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  changesOf,
  createQueue,
  expectUntouched,
  jobOf,
  lease,
  leaseOne,
  statsOf,
  statuses,
} from "./support.js";

/** Changing those of many jobs that match a filter. */
export function describeBulk(open: Open): void {
  describe("act", () => {
    test("cancels what matches and can be canceled, as one by one", async () => {
      const { backend } = await open();
      const dead = await addDead(backend);
      const finished = await addDone(backend);
      const [running, asked, other] = await add(backend, {}, {}, { type: "other" });
      await lease(backend);
      await backend.cancel(asked ?? "");
      const [ready, scheduled] = await add(backend, {}, { delayMs: 60_000 });
      const ids = [dead, finished, running, asked, other, ready, scheduled, "4711"].map(String);
      const cursor = await backend.head();
      expect(await backend.act("CANCEL", ids, { types: ["echo"] })).toBe(3);
      expect(await statuses(backend, ids)).toEqual([
        ...["DEAD", "DONE", "RUNNING", "RUNNING", "PENDING", "CANCELED", "CANCELED", "-"],
      ]);
      expect(await jobOf(backend, running ?? "")).toMatchObject({ cancelRequested: true });
      expect(await changesOf(backend, asked ?? "", cursor)).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, running: 2 });
      expect(await backend.act("CANCEL", ids, { types: ["echo"] })).toBe(0);
    });

    test("deletes what matches and is finished", async () => {
      const { backend } = await open();
      const dead = await addDead(backend, {}, "no");
      const kept = await addDead(backend, {}, "yes");
      const finished = await addDone(backend);
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      const waiting = await addOne(backend);
      const running = (await leaseOne(backend)).job.id;
      const ids = [dead, kept, finished, canceled, waiting, running];
      expect(await backend.act("DELETE", [dead, kept, dead], { errorEquals: "no" })).toBe(1);
      expect(await backend.act("DELETE", ids, { statuses: ["DONE", "CANCELED", "RUNNING", "PENDING"] })).toBe(2);
      expect(await statuses(backend, ids)).toEqual(["-", "DEAD", "-", "-", "RUNNING", "RUNNING"]);
      expect(await statsOf(backend)).toMatchObject({ running: 1, dead: 1, done: 0 });
    });

    test("replays what matches and is dead, in several queues", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const ids = [await addDead(backend, {}, "a 1"), await addDead(backend, { queue: "other" }, "a 2")];
      const kept = [await addDead(backend, {}, "b"), await addDone(backend)];
      expect(await backend.act("REPLAY", [...ids, ...kept], { errorGroup: "a #" })).toBe(2);
      expect(await statuses(backend, [...ids, ...kept])).toEqual(["PENDING", "PENDING", "DEAD", "DONE"]);
      expect(await jobOf(backend, ids[1] ?? "")).toMatchObject({ retryCount: 0, finishedAt: undefined });
    });

    test("leaves what does not match as it is", async () => {
      const { backend } = await open();
      const ids = [await addDead(backend, {}, "x"), await addOne(backend)];
      const { finishedAt = 0 } = await jobOf(backend, ids[0] ?? "");
      await expectUntouched(backend, ids, async () => {
        expect(await backend.act("REPLAY", ids, { finishedBefore: finishedAt })).toBe(0);
        expect(await backend.act("DELETE", ids, { metadata: { a: "b" } })).toBe(0);
        expect(await backend.act("CANCEL", ids, { statuses: ["RUNNING"] })).toBe(0);
        expect(await backend.act("CANCEL", [], {})).toBe(0);
      });
    });

    test("takes more jobs than one call of a script", async () => {
      const { backend } = await open();
      const ids: string[] = [];
      for (let batch = 0; batch < 2; batch++) ids.push(...(await add(backend, ...Array(LIMITS.batch).fill({}))));
      expect(await backend.act("CANCEL", ids.slice(0, 1200), {})).toBe(1200);
      expect(await statsOf(backend)).toMatchObject({ ready: 800 });
      const counted = await backend.count({ queue: "default", statuses: ["CANCELED"], isDead: false });
      expect(counted).toMatchObject({ count: 1200, next: undefined });
    });
  });
}
