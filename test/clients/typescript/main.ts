import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient, createWorker, type Logger, RawJson, TaskQueueError } from "gotaskq/client";

// A client and a worker of GoTaskQ in TypeScript, as the programs in Go and Python beside it.
//
//   main.ts submit TYPE [JSON]   creates a job and prints its id
//   main.ts watch ID             prints each status of a job, and its result at the end
//   main.ts worker               runs jobs until SIGTERM
//
// The server is at GOTASKQ_URL.

const url = process.env.GOTASKQ_URL ?? "http://127.0.0.1:8000";
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    queue: { type: "string" },
    concurrency: { type: "string", default: "10" },
    prefetch: { type: "string", default: "0" },
    lease: { type: "string", default: "30" },
  },
});
const [command, first = "", second] = positionals;

const print = (line: string) => void process.stdout.write(`${line}\n`);

/** Prints what happens on the error stream, as the programs in Go and Python do. */
const logger: Logger = {
  debug: (fields, message) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  info: (_fields, message) => void process.stderr.write(`${message}\n`),
  warn: (fields, message) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  child: () => logger,
};

async function submit(type: string, payload?: string): Promise<void> {
  const client = createClient(url);
  const { job } = await client.create({ type, ...(payload !== undefined && { payload: new RawJson(payload) }) });
  print(job.id);
}

async function watch(id: string): Promise<void> {
  for await (const { status, resultText } of createClient(url).watchJob(id)) {
    print(status);
    if (resultText !== undefined) print(resultText);
  }
}

async function work(): Promise<void> {
  const worker = createWorker({
    url,
    queues: flags.queue === undefined ? [] : [flags.queue],
    concurrency: Number(flags.concurrency),
    prefetch: Number(flags.prefetch),
    leaseMs: Number(flags.lease) * 1000,
    stopOnSignals: true,
    logger,
    handlers: {
      // To the letter: JavaScript has no numbers for large integers.
      echo: ({ payload, payloadText }) => (payloadText === undefined ? payload : new RawJson(payloadText)),
      // The payload is the number of ms.
      async sleep(job, { signal, progress }) {
        logger.info({}, `running ${job.id}`);
        progress(50, "asleep");
        await setTimeout(job.payload, undefined, { signal }).catch(() => signal.throwIfAborted());
        return "slept in TypeScript";
      },
    },
  });
  await worker.start();
  logger.info({}, "ready");
  await worker.stopped;
  logger.info({}, "stopped");
}

async function run(): Promise<void> {
  if (command === "submit") await submit(first, second);
  else if (command === "watch") await watch(first);
  else if (command === "worker") await work();
  else
    throw new Error(
      "usage: main.ts submit TYPE [JSON] | watch ID | worker [--queue=QUEUE] [--concurrency=N] [--prefetch=N] [--lease=SECONDS]",
    );
}

await run().catch((error: unknown) => {
  // A constant such as FIELD_INVALID says why the server refused.
  process.stderr.write(error instanceof TaskQueueError ? `${error.reason}: ${error.message}\n` : `${error}\n`);
  process.exitCode = 1;
});
