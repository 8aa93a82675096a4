/** A message from this size on asks for much. */
const LARGE_BYTES = 1 << 14;

/** What a call that looks through the store counts as: most of a full page of jobs, or of thousands that it examines. */
const SCAN_BYTES = 2 << 20;

/** Methods whose calls look through the store for many jobs or queues, or answer many. */
const SCANS: ReadonlySet<string> = new Set([
  "gotaskq.v1.JobService/ListJobs",
  "gotaskq.v1.JobService/CountJobs",
  "gotaskq.v1.JobService/CancelJobs",
  "gotaskq.v1.JobService/DeleteJobs",
  "gotaskq.v1.DlqService/ListDeadJobs",
  "gotaskq.v1.DlqService/SummarizeDeadJobs",
  "gotaskq.v1.DlqService/ReplayDeadJobs",
  "gotaskq.v1.DlqService/PurgeDeadJobs",
  "gotaskq.v1.QueueService/ListQueues",
  "gotaskq.v1.QueueService/PurgeQueue",
  "gotaskq.v1.ScheduleService/ListSchedules",
]);

/** Whether the calls of a method, by its full name, ask for much whatever the size of their messages. */
export function isScan(method: string): boolean {
  return SCANS.has(method);
}

/** How many bytes a call counts as among those that ask for much; undefined for an ordinary call. */
export function largeBytesOf(method: { readonly isScan: boolean }, messageBytes: number): number | undefined {
  if (method.isScan) return SCAN_BYTES + messageBytes;
  return messageBytes < LARGE_BYTES ? undefined : messageBytes;
}
