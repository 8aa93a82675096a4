import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, jsonOf, present, reading } from "../support/rpc.js";
import { type Clients, createClients } from "../support/server.js";
import { type ServerProcess, spawnServer, startServerProcess } from "../support/server-process.js";
import { GRPC } from "../support/transports.js";
import { eventually, within } from "../support/wait.js";

const HANDLERS = fileURLToPath(new URL("../handlers/fixtures/outside.mjs", import.meta.url));
const SECOND = { seconds: 1n, nanos: 0 };

/** Each test starts processes that start processes. */
vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a server with isolated handlers. `loadedBy` resolves to the processes that loaded them. */
async function start(isolation: string, env: Record<string, string> = {}) {
  const file = join(folder, `loaded-${files++}`);
  const server = await startServerProcess({ HANDLERS, HANDLERS_ISOLATION: isolation, LOADED_BY: file, ...env }, folder);
  const loadedBy = async () => (await readFile(file, "utf8")).trim().split("\n").map(Number);
  return { server, clients: createClients(GRPC, server.url), loadedBy };
}

/** Resolves to the progress of a job once it has some: the id of its process. */
async function pidOf({ jobs }: Clients, id: string): Promise<number> {
  const seen = await reading(jobs.watchJob({ id })).until(
    ({ event }) => event.case === "job" && event.value.progress !== undefined,
  );
  const last = seen.at(-1)?.event;
  return Number(last?.case === "job" ? present(last.value.progress).message : Number.NaN);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves once none of these processes is left. */
async function gone(pids: readonly number[]): Promise<void> {
  await eventually(async () => !pids.some(isAlive) || undefined, `the end of the processes ${pids}`);
}

/** Runs jobs in two places: one loops for ever, the other ends when it is told to. */
async function busy(
  clients: Clients,
): Promise<{ readonly looping: string; readonly slow: string; readonly pids: number[] }> {
  const looping = await created(clients, { type: "loop" });
  const slow = await created(clients, { type: "slow" });
  return { looping, slow, pids: [await pidOf(clients, looping), await pidOf(clients, slow)] };
}

describe.each(["threads", "processes"])("HANDLERS_ISOLATION=%s", (isolation) => {
  test("ends an endless loop at its timeout, while the server answers and its lease is kept", async () => {
    const { server, clients } = await start(isolation, {
      LEASE_DURATION: "1s",
      MAX_RETRIES: "0",
      HANDLERS_GRACE: "1500ms",
    });
    await server.printed(`"isolation":"${isolation}"`);
    const id = await created(clients, { type: "loop", timeout: SECOND });
    await pidOf(clients, id);
    for (let call = 0; call < 100; call++) await within(clients.info.getServerInfo({}), "an answer");
    const job = await finished(clients, id);
    expect(job).toMatchObject({
      status: JobStatus.DEAD,
      error: "ended by force: timed out after 1000 ms",
      lostLeases: 0,
      deliveries: 1,
    });
    const next = await finished(clients, await created(clients, { type: "pid" }));
    expect(next.status).toBe(JobStatus.DONE);
    expect(await server.end()).toBe(0);
  });

  test("gives back at shutdown what does not end, and leaves nothing behind", async () => {
    const { server, clients, loadedBy } = await start(isolation, { SHUTDOWN_TIMEOUT: "0" });
    const { looping, slow } = await busy(clients);
    const ends = [looping, slow].map((id) =>
      reading(clients.jobs.watchJob({ id }))
        .rest()
        .catch(() => []),
    );
    const pids = await loadedBy();
    expect(await within(server.end(), "the end of the server")).toBe(0);
    await gone(pids);
    await Promise.all(ends);
  });

  test("ends at once when it is told twice, and leaves nothing behind", async () => {
    const { server, clients, loadedBy } = await start(isolation, { SHUTDOWN_TIMEOUT: "1h" });
    await busy(clients);
    const ended = server.end("SIGTERM");
    await server.printed("SIGTERM: ");
    // The same one so soon would be taken for one that was handed on.
    server.child.kill("SIGINT");
    expect(await within(ended, "the end of the server")).toBe(1);
    await gone(await loadedBy());
  });

  test("leaves nothing behind when the server is killed", async () => {
    const { server, clients, loadedBy } = await start(isolation);
    await busy(clients);
    const pids = await loadedBy();
    await within(server.end("SIGKILL"), "the end of the server");
    await gone(pids);
  });

  test("tells at the start what is wrong with the handlers, with code 2", async () => {
    const child = spawnServer({ HANDLERS: "./missing.mjs", HANDLERS_ISOLATION: isolation, NUM_WORKERS: "x" }, folder);
    const text: string[] = [];
    child.stdout?.on("data", (chunk) => text.push(String(chunk)));
    const code = await within(new Promise((resolve) => child.once("close", resolve)), "the end of the server");
    expect(code).toBe(2);
    expect(text.join("")).toMatch(/NUM_WORKERS: must be.*HANDLERS: .*missing\.mjs cannot be loaded/s);
  });
});

describe("HANDLERS_ISOLATION=processes", () => {
  test("loads the handlers in child processes only, and those leave signals to the server", async () => {
    const { server, clients, loadedBy } = await start("processes", { NUM_WORKERS: "1", SHUTDOWN_TIMEOUT: "20s" });
    const slow = await created(clients, { type: "slow" });
    const pid = await pidOf(clients, slow);
    expect(pid).not.toBe(server.child.pid);
    expect(await loadedBy()).toEqual([pid]);
    // As a terminal or a service manager does: the server has them finish.
    process.kill(pid, "SIGTERM");
    process.kill(pid, "SIGINT");
    await clients.jobs.cancelJob({ id: slow });
    const job = await finished(clients, slow);
    expect([job.status, jsonOf(job.resultKind)]).toEqual([JobStatus.DONE, "CANCELED"]);
    expect(await server.end()).toBe(0);
  });

  test("fails the attempt alone when a child is killed, and starts another", async () => {
    const { server, clients, loadedBy } = await start("processes", { MAX_RETRIES: "0" });
    const { looping, slow, pids } = await busy(clients);
    process.kill(present(pids[0]), "SIGKILL");
    const job = await finished(clients, looping);
    expect(job.status).toBe(JobStatus.DEAD);
    expect(job.error).toMatch(/^the handler's process ended: it was killed by SIGKILL/);
    await clients.jobs.cancelJob({ id: slow });
    expect((await finished(clients, slow)).status).toBe(JobStatus.DONE);
    await server.printed("a child process ended by itself; another takes its place");
    await eventually(async () => ((await loadedBy()).length >= 3 ? true : undefined), "another child");
    await endsWell(server);
    await gone(await loadedBy());
  });
});

async function endsWell(server: ServerProcess): Promise<void> {
  expect(await within(server.end(), "the end of the server")).toBe(0);
}
