import type { TaskQueueClient, WorkerInfo } from "../client/index.js";

/** All workers that a server knows. */
export async function workersOf(client: TaskQueueClient): Promise<readonly WorkerInfo[]> {
  const workers: WorkerInfo[] = [];
  for await (const worker of client.server.workers({ pageSize: 1000 })) workers.push(worker);
  return workers;
}
