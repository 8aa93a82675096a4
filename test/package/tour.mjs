// What a program may do with the package, in short: run by test/package/nodes.test.ts with several versions of Node.
import { writeFileSync } from "node:fs";
import { createTaskQueue, isolateHandlers, silentLogger } from "gotaskq";
import { createClient, createWorker } from "gotaskq/client";
import { startServer } from "gotaskq/server";

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const double = (job) => job.payload * 2;

async function library(name, options) {
  const queue = createTaskQueue({ logger: silentLogger, ...options });
  await queue.start();
  const { job } = await queue.create({ type: "double", payload: 21 });
  const { status } = await queue.wait(job.id);
  await queue.stop();
  say(name, status);
}

await library("memory", { handlers: { double } });
await library("file", { handlers: { double }, dataDir: "data" });
await library("redis", { handlers: { double }, redisUrl: process.env.REDIS_URL });
writeFileSync("handlers.ts", "export default { double: (job: { payload: number }) => job.payload * 2 };\n");
for (const isolation of ["threads", "processes"]) {
  await library(isolation, { runner: await isolateHandlers("./handlers.ts", { isolation, size: 1 }) });
}

const server = await startServer({ env: { PORT: "0", NUM_WORKERS: "0" } });
const worker = createWorker({ url: server.url, handlers: { double } });
await worker.start();
const client = createClient(server.url);
const { job } = await client.create({ type: "double", payload: 21 });
for await (const { status, result } of client.watchJob(job.id)) if (status === "DONE") say("remote", result);
client.close();
await worker.stop();
await server.stop();
say("end");
