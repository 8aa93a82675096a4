import { fileURLToPath } from "node:url";
import { createClient } from "gotaskq/client";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { eventually, within } from "../support/wait.js";
import { http1, http2 } from "../support/wire.js";

const HANDLERS = fileURLToPath(new URL("memory-handler.mjs", import.meta.url));

/** What a server may hold after an attack beyond what it held before, bytes: what V8 and pools keep for the next time. */
const SLACK = 40 << 20;

/** Between two calls of the good client, ms. */
const PAUSE_MS = 20;

/** A server in a process of its own, which is attacked. */
export interface Victim {
  readonly port: number;
  readonly url: string;
  readonly server: ServerProcess;
  /**
   * Runs an attack beside a good client, which must get every answer within bounded time, on connections it keeps and on new ones.
   * Afterwards the process must live, and its memory must come back to where it was.
   */
  endure(attack: () => Promise<void>): Promise<void>;
  /** One of its metrics, summed over labels. */
  metric(name: string): Promise<number>;
}

/** Starts a server with these variables. It ends with the file. */
export async function startVictim(env: Readonly<Record<string, string>>): Promise<Victim> {
  const server = await startServerProcess({ HANDLERS, LOG_LEVEL: "warn", ...env });
  const { url } = server;
  const client = createClient(url);
  const memory = async () => Number((await within(client.createAndWait({ type: "memory" }), "the memory held")).result);

  async function call(): Promise<void> {
    await within(client.create({ type: "nobody", payload: "x".repeat(100) }), "a create");
    const body = '{"filter":{"types":["memory"]}}';
    for (const send of [http1, http2]) {
      const request = {
        path: "/gotaskq.v1.JobService/CountJobs",
        headers: { "content-type": "application/json" },
        body,
      };
      const { status } = await send(url, request);
      if (status !== 200) throw new Error(`the good client was answered ${status}`);
    }
  }

  for (let round = 0; round < 20; round++) await call();
  const before = await memory();
  return {
    port: Number(new URL(url).port),
    url,
    server,
    async endure(attack) {
      let isOver = false;
      let calls = 0;
      const good = (async () => {
        while (!isOver || calls === 0) {
          await call();
          calls++;
          await new Promise<void>((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      })();
      await Promise.all([
        good,
        attack().finally(() => {
          isOver = true;
        }),
      ]);
      const isBack = async () => ((await memory()) <= before + SLACK ? true : undefined);
      await eventually(isBack, "the memory that was held before");
      if (server.child.exitCode !== null) throw new Error(`the server has ended:\n${server.output()}`);
    },
    async metric(name) {
      const page = await (await fetch(`${url}/metrics`)).text();
      const values = [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.*)$`, "gm"))];
      return values.reduce((sum, [, value]) => sum + Number(value), 0);
    },
  };
}
