import type { Lease, StreamJobsResponse } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { present, type Reader, reading } from "./rpc.js";
import type { Clients } from "./server.js";

type StreamRequest = Parameters<Clients["workers"]["streamJobs"]>[0];

/** What a test worker asks for by default. */
export const WORKER = { worker: "test-worker", types: ["work"] };

/** A worker's stream. */
export interface WorkerStream extends Reader<StreamJobsResponse> {
  /** Resolves to the next lease; messages of other kinds before it are skipped. */
  nextLease(): Promise<Lease>;
  /** The worker leaves: its stream is aborted. */
  leave(): void;
}

/** Opens a stream. Resolves after its first two messages. */
export async function streamJobs(
  { workers }: Pick<Clients, "workers">,
  given: StreamRequest = {},
): Promise<WorkerStream> {
  const controller = new AbortController();
  const reader = reading(workers.streamJobs({ ...WORKER, ...given }, { signal: controller.signal }));
  const kinds = [(await reader.next()).event.case, (await reader.next()).event.case];
  if (kinds.join() !== "session,heartbeat") throw new Error(`a stream began with ${kinds.join()}`);
  return {
    ...reader,
    async nextLease() {
      const message = (await reader.until(({ event }) => event.case === "lease")).at(-1);
      return leaseOf(present(message));
    },
    leave: () => controller.abort(),
  };
}

/** The lease of a message, which must be one. */
export function leaseOf({ event }: StreamJobsResponse): Lease {
  if (event.case !== "lease") throw new Error(`expected a lease, got ${event.case}`);
  return event.value;
}

/** The job id and lease token of a lease. */
export function refOf({ job, leaseToken }: Lease): { jobId: string; leaseToken: string } {
  return { jobId: present(job).id, leaseToken };
}

/** The ids of leased jobs. */
export function leasedIds(leases: readonly Lease[]): string[] {
  return leases.map((lease) => refOf(lease).jobId);
}
