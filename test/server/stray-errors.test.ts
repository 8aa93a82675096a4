import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, reading, refusal } from "../support/rpc.js";
import { createClients } from "../support/server.js";
import { startServerProcess } from "../support/server-process.js";
import { GRPC } from "../support/transports.js";

const HANDLERS = fileURLToPath(new URL("../handlers/fixtures/stray.mjs", import.meta.url));

test("a promise that a handler lets go of is logged, and the server goes on", async () => {
  const server = await startServerProcess({ HANDLERS });
  const clients = createClients(GRPC, server.url);
  for (const type of ["rejects", "rejectsStrangely", "rejects"]) {
    const job = await finished(clients, await created(clients, { type }));
    expect(job.status).toBe(JobStatus.DONE);
  }
  await server.printed("nobody waits for this");
  await server.printed("what was thrown has no text");
  expect(await server.end()).toBe(0);
});

test("an error that nobody catches is logged, and ends the server in order, with 1, however often it comes", async () => {
  const server = await startServerProcess({ HANDLERS, SHUTDOWN_TIMEOUT: "0" });
  const exit = once(server.child, "exit");
  const clients = createClients(GRPC, server.url);
  const id = await created(clients, {
    type: "throws",
    schedule: { case: "delay", value: { seconds: 0n, nanos: 50_000_000 } },
  });
  expect(await refusal(reading(clients.jobs.watchJob({ id })).rest())).toMatchObject({ reason: "SERVER_DRAINING" });
  expect(await exit).toEqual([1, null]);
  await server.printed("nobody catches this");
});
