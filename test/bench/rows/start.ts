import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { check, median, report } from "../figures.js";

// Time from the start of the process, as `npm start` runs it, to the answer of its first RPC.

const STARTS = 7;

const main = fileURLToPath(new URL("../../../src/main.js", import.meta.url));

async function measure(program: readonly string[], call: (url: string) => Promise<void>): Promise<number> {
  const env = { ...process.env, PORT: "0", LOG_LEVEL: "info" };
  const start = performance.now();
  const child = spawn(process.execPath, program, { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /http:\/\/[\d.:]+/.exec(line)?.[0];
      if (url === undefined) continue;
      await call(url);
      return performance.now() - start;
    }
    throw new Error("the server did not start");
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
}

async function createJob(url: string): Promise<void> {
  const answer = await fetch(`${url}/gotaskq.v1.JobService/CreateJob`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"type":"echo"}',
  });
  const { job } = (await answer.json()) as { job?: { id?: string } };
  check(job?.id !== undefined, "the first call created no job");
}

const BARE = `
  const server = require("node:http").createServer((request, response) => response.end("{}"));
  server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));`;

async function callBare(url: string): Promise<void> {
  await (await fetch(url)).text();
}

const ours: number[] = [];
const bare: number[] = [];
for (let count = 0; count < STARTS; count++) {
  ours.push(await measure(["--enable-source-maps", main], createJob));
  bare.push(await measure(["-e", BARE], callBare));
}
report([
  { name: "start to first answered RPC", value: median(ours), unit: "ms" },
  { name: "bare Node http, start to first answer", value: median(bare), unit: "ms" },
]);
