import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@connectrpc/connect";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { LISTENS } from "../support/listens.js";
import { CONNECT_JSON } from "../support/transports.js";
import { startVictim, type Victim } from "./victim.js";

const MAIN = fileURLToPath(new URL("../../.build/src/main.js", import.meta.url));

/** One server process. */
export interface Member extends Victim {
  readonly url: string;
  readonly jobs: Client<typeof JobService>;
  readonly queues: Client<typeof QueueService>;
  readonly dlq: Client<typeof DlqService>;
  readonly workers: Client<typeof WorkerService>;
  readonly schedules: Client<typeof ScheduleService>;
}

/**
 * Starts a server process with these environment variables and resolves when it listens. `died` is called when it ends
 * after that and nobody killed it. Rejects with its output when it ends before.
 */
export async function startMember(
  name: string,
  env: Readonly<Record<string, string>>,
  died: (member: Member, how: string) => void,
): Promise<Member> {
  const server = await startVictim(name, MAIN, { PORT: "0", ...env }, LISTENS, (how) => died(member, how));
  const url = server.ready;
  const transport = CONNECT_JSON.create(url);
  const clients = {
    url,
    jobs: createClient(JobService, transport),
    queues: createClient(QueueService, transport),
    dlq: createClient(DlqService, transport),
    workers: createClient(WorkerService, transport),
    schedules: createClient(ScheduleService, transport),
  };
  // Not a copy: whether it is alive may change.
  const member: Member = Object.assign(server, clients);
  return member;
}
