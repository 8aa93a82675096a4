import {
  createClient,
  createWorker,
  silentLogger,
  type TaskQueueClient,
  TaskQueueError,
  type Worker,
  type WorkerOptions,
} from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { cleanup } from "../support/cleanup.js";
import { startServerProcess } from "../support/server-process.js";
import { within } from "../support/wait.js";

const closing: (() => unknown)[] = [];
cleanup.afterEachTest(async () => {
  for (const close of closing.splice(0).reverse())
    await within(Promise.resolve(close()), "the end of a client", 30_000);
});

/** Closes something after the test, in reverse order. */
export function atEnd(close: () => unknown): void {
  closing.push(close);
}

/** Creates a client of this server, closed after the test. */
export function clientOf(url: string, options?: Parameters<typeof createClient>[1]): TaskQueueClient {
  const client = createClient(url, options);
  atEnd(() => client.close());
  return client;
}

/** A client of Node and one for browsers: what both can is tested with both. */
export const RUNTIMES = [
  ["in Node", (url: string) => clientOf(url)],
  ["for browsers", (url: string) => createWebClient(url)],
] as const;

let names = 0;

/** Creates a queue on this server that no other test of the file has; returns its name. */
export async function newQueue(url: string): Promise<string> {
  const queue = `queue-${names++}`;
  await clientOf(url).queues.create(queue);
  return queue;
}

/** Resolves to the error of a call, which must fail. */
export async function failure(call: Promise<unknown>): Promise<TaskQueueError> {
  const error = await within(
    call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
    "the answer to a call",
  );
  if (!(error instanceof TaskQueueError)) throw new Error(`expected a TaskQueueError, got ${error}`);
  return error;
}

/** A started worker, silent unless told otherwise, stopped after the test; its running handlers are not waited for. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const worker = createWorker({ logger: silentLogger, ...options });
  atEnd(() => worker.stop({ timeoutMs: 0 }));
  await within(worker.start(), "the start of a worker");
  return worker;
}

/** Starts a server in a process of its own that runs no jobs. */
export function startServerAlone(env: Readonly<Record<string, string>> = {}) {
  return startServerProcess({ NUM_WORKERS: "0", LOG_LEVEL: "warn", ...env });
}
