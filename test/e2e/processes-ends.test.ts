import { describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { startRedis } from "../support/redis.js";
import { created, payload, reaches } from "../support/rpc.js";
import { createClients } from "../support/server.js";
import { startServerProcess } from "../support/server-process.js";
import { GRPC } from "../support/transports.js";
import { eventually, within } from "../support/wait.js";
import { builtIn, isAlive, NO_REDIS, ready, refusedStart, usePlace } from "./support/processes.js";

const here = usePlace();

describe("a server with several processes", () => {
  test("ends at once with code 1, and leaves no process, when it is told twice", async () => {
    const server = await here.start("twice", { SHUTDOWN_TIMEOUT: "1h" });
    const clients = createClients(GRPC, server.url);
    const pids = (await builtIn(clients)).map(({ pid }) => pid);
    expect(pids).toHaveLength(2);
    const id = await created(clients, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(clients, id, JobStatus.RUNNING);
    const ended = server.end("SIGTERM");
    await server.printed("SIGTERM: ");
    server.child.kill("SIGINT");
    expect(await within(ended, "the end of the server")).toBe(1);
    await eventually(async () => !pids.some(isAlive) || undefined, "the end of its processes");
  });

  test("is not ready while Redis is away, and no process outlives the first one when that is killed", async () => {
    const own = await startRedis({ port: true });
    const server = await startServerProcess({ USE_REDIS: "true", REDIS_URL: own.url, PROCESSES: "2" }, here.folder);
    const pids = (await builtIn(createClients(GRPC, server.url))).map(({ pid }) => pid);
    expect(await ready(server.url)).toBe(200);
    await own.dispose();
    await eventually(async () => (await ready(server.url)) === 503 || undefined, "a probe that is told");
    server.child.kill("SIGKILL");
    await eventually(async () => !pids.some(isAlive) || undefined, "the end of its processes");
  });

  test.each([
    ["with a file that is damaged", { ...NO_REDIS, DATA_DIR: "./damaged" }, /"variable":"DATA_DIR".*is damaged/],
    ["with handlers that cannot be loaded", { HANDLERS: "./none.js" }, /"variable":"HANDLERS".*cannot be loaded/],
    [
      "with everything wrong",
      { PROCESSES: "0", HANDLERS: "./none.js" },
      /"variable":"PROCESSES"[\s\S]*"variable":"HANDLERS"/,
    ],
    ["on a host of another machine", { HOST: "203.0.113.1", AUTH: "none" }, /"variable":"HOST, PORT".*EADDRNOTAVAIL/],
  ])("that cannot be started ends with code 2, and says why once: %s", async (_how, env, said) => {
    const place = { USE_REDIS: "true", REDIS_URL: here.redis.url, REDIS_PREFIX: "refused", PROCESSES: "2" };
    const { code, output } = await refusedStart({ ...place, ...env }, here.folder);
    expect(code).toBe(2);
    expect(output).toMatch(said);
    expect(output.match(/"variable"/g)?.length).toBe(said.source.match(/"variable"/g)?.length);
    expect(output).not.toContain("another takes its place");
  });
});
