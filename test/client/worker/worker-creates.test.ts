import { describe, expect, test } from "vitest";
import { createAtServers, createBatchAtServers } from "../../../src/client/worker/worker-creates.js";
import type { WorkerRpc, WorkerServers } from "../../../src/client/worker/worker-servers.js";
import { TaskQueueError } from "../../../src/model/common/errors.js";

/** Servers that answer creates so, one after the other; undefined: with a job. */
function serversOf(...answers: readonly (TaskQueueError | undefined)[]) {
  const asked: number[] = [];
  const rpcs = answers.map((_, at) => at as unknown as WorkerRpc);
  let current = 0;
  const answerOf = (rpc: WorkerRpc) => {
    const at = rpcs.indexOf(rpc);
    asked.push(at);
    const answer = answers[at];
    if (answer !== undefined) throw answer;
    return `7@server-${at}`;
  };
  const outcome = { deduplicated: true, replaced: false };
  const clientOf = (rpc: WorkerRpc) => ({
    create: async () => ({ job: { id: answerOf(rpc) }, ...outcome }),
    createBatch: async (tasks: readonly unknown[]) => tasks.map(() => ({ id: answerOf(rpc), ...outcome })),
  });
  const servers = {
    get current() {
      return rpcs[current] as WorkerRpc;
    },
    clientOf,
    leave: (rpc: WorkerRpc) => {
      if (rpc === rpcs[current]) current = (current + 1) % rpcs.length;
    },
    close() {},
  } as unknown as WorkerServers;
  return { servers, asked };
}

describe("a job that a handler of a worker creates", () => {
  const task = { type: "next", requestId: "job:1" };

  test("is created at the next server when one is away or drains", async () => {
    const away = new TaskQueueError("BACKEND_UNAVAILABLE", "away");
    const { servers, asked } = serversOf(away, new TaskQueueError("SERVER_DRAINING", "drains"), undefined);
    expect(await createAtServers(servers, task)).toEqual({ id: "7@server-2", deduplicated: true, replaced: false });
    expect(asked).toEqual([0, 1, 2]);
  });

  test("is refused at once for what would fail again, and never repeated when that could make two", async () => {
    const full = new TaskQueueError("QUEUE_FULL", "full");
    const refused = serversOf(full, undefined);
    await expect(createAtServers(refused.servers, task)).rejects.toBe(full);
    expect(refused.asked).toEqual([0]);
    const away = new TaskQueueError("BACKEND_UNAVAILABLE", "away");
    const unsafe = serversOf(away, undefined);
    await expect(createAtServers(unsafe.servers, { type: "next", requestId: "" })).rejects.toBe(away);
    expect(unsafe.asked).toEqual([0]);
  });

  test("goes with the others of its batch, which is repeated only when that is safe for all", async () => {
    const away = new TaskQueueError("BACKEND_UNAVAILABLE", "away");
    const { servers } = serversOf(away, undefined);
    const created = { id: "7@server-1", deduplicated: true, replaced: false };
    expect(await createBatchAtServers(servers, [task, task])).toEqual([created, created]);
    const unsafe = serversOf(away, undefined);
    const batch = [task, { type: "next", requestId: "" }];
    await expect(createBatchAtServers(unsafe.servers, batch)).rejects.toBe(away);
    expect(unsafe.asked).toEqual([0]);
  });
});
