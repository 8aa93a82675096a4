import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { check, report } from "../figures.js";

// CreateJob over Connect with JSON on HTTP/1.1, 64 callers, against a bare Node server that parses and answers JSON.

const CALLS = 20_000;
const CALLERS = 64;
const BODY = JSON.stringify({ type: "noop", payload: { text: "x".repeat(80) } });

const main = fileURLToPath(new URL("../../../.build/src/main.js", import.meta.url));
const children: ReturnType<typeof spawn>[] = [];

async function startGoTaskQ(): Promise<string> {
  const env = { ...process.env, PORT: "0", NUM_WORKERS: "0", LOG_LEVEL: "warn" };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listens on (http:\/\/\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error("the server did not start");
}

async function startBare(): Promise<string> {
  const program = `
    const server = require("node:http").createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.from(JSON.stringify({ job: JSON.parse(Buffer.concat(chunks)) }));
        response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
        response.end(body);
      });
    });
    server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return String(line);
}

/** Calls a second. */
async function load(url: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  const options = { method: "POST", agent, headers: { "content-type": "application/json" } };
  let left = CALLS;
  const call = () =>
    new Promise<void>((resolve, reject) => {
      const outgoing = request(url, options, (response) => {
        check(response.statusCode === 200, `a call was answered with ${response.statusCode}`);
        response.resume().on("end", resolve);
      });
      outgoing.on("error", reject).end(BODY);
    });
  const start = performance.now();
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (left-- > 0) await call();
    }),
  );
  agent.destroy();
  return CALLS / ((performance.now() - start) / 1000);
}

try {
  const gotaskq = await startGoTaskQ();
  const bare = await startBare();
  const path = `${gotaskq}/gotaskq.v1.JobService/CreateJob`;
  await load(path);
  await load(bare);
  const ours = await load(path);
  const theirs = await load(bare);
  const page = await (await fetch(`${gotaskq}/metrics`)).text();
  check(page.includes(`gotaskq_queue_depth{queue="default"} ${2 * CALLS}`), "the metrics do not count every job");
  report([
    { name: "CreateJob, Connect JSON over HTTP/1.1, 64 callers", value: ours, unit: "calls/s" },
    { name: "bare Node http, the same load", value: theirs, unit: "calls/s" },
    { name: "CreateJob against bare Node", value: ours / theirs, unit: "x" },
  ]);
} finally {
  for (const child of children) child.kill();
}
