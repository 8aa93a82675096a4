import type { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { statusName } from "../lib/status.js";

/** The status of a job, as a name and a colour. */
export function StatusBadge({ status }: { readonly status: JobStatus }) {
  const name = statusName(status);
  return <span class={`badge ${name.toLowerCase()}`}>{name}</span>;
}
