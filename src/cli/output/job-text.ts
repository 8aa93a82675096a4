import type { Job } from "../../client/index.js";
import { indentJson } from "../json-text.js";
import { inLine, STATUS_LOOK, type Style } from "./style.js";
import { type Column, tableText } from "./table.js";
import { distanceText, durationText, momentText } from "./times.js";

/** Most characters of a payload or result that a person is shown. */
const MAX_CONTENT = 20_000;

/** A job as a person reads it, on several lines. */
export function jobText(job: Job, style: Style, now: number): string {
  const lines: [string, string][] = [
    ["type", inLine(job.type)],
    ["queue", inLine(job.queue)],
    ["status", `${style(STATUS_LOOK[job.status], job.status)}${waitingFor(job)}${cancelOf(job)}`],
  ];
  const add = (name: string, text: string | undefined) => {
    if (text !== undefined && text !== "") lines.push([name, text]);
  };
  const moment = (at: number | undefined) => (at === undefined ? undefined : momentText(at, now));
  if (job.error !== "") add("error", style("red", inLine(job.error)));
  if (job.progress !== undefined) add("progress", `${job.progress.percent} % ${inLine(job.progress.message)}`.trim());
  add("priority", String(job.priority));
  add("retries", `${job.retryCount} of ${job.maxRetries}`);
  add("deliveries", `${job.deliveries}${job.lostLeases > 0 ? `, ${job.lostLeases} leases lost` : ""}`);
  add("worker", inLine(job.worker));
  add("created", moment(job.createdAt));
  if (job.status === "PENDING" && job.runAfter > now) add("runs", moment(job.runAfter));
  add("started", moment(job.startedAt));
  add("finished", `${moment(job.finishedAt) ?? ""}${tookText(job)}`);
  if (job.status === "PENDING") add("expires", moment(job.expiresAt));
  if (job.timeoutMs > 0) add("timeout", durationText(job.timeoutMs));
  add("key", inLine(job.key ?? ""));
  if (job.unique !== undefined) add("unique", `${inLine(job.unique.key)}, until ${job.unique.until}`);
  if (job.schedule !== undefined) add("schedule", `${inLine(job.schedule)}, for ${moment(job.scheduledFor)}`);
  for (const [name, value] of Object.entries(job.metadata)) add("metadata", `${inLine(name)}=${inLine(value)}`);
  const content = [
    contentText("payload", job.payload, job.payloadText),
    contentText("result", job.result, job.resultText),
  ].join("");
  const dropped = job.resultDropped ? "result: left out, as the server had no room for it\n" : "";
  const errors = job.attemptErrors.map(
    ({ at, error, delivery, worker }) =>
      `  ${distanceText(at, now)}, delivery ${delivery}, ${inLine(worker)}: ${inLine(error)}\n`,
  );
  const attempts = errors.length > 0 ? `failed attempts:\n${errors.join("")}` : "";
  const head = lines.map(([name, text]) => `  ${style("dim", name.padEnd(10))}  ${text}\n`).join("");
  return `${style("bold", `job ${inLine(job.id)}`)}\n${head}${content}${dropped}${attempts}`;
}

const LIST_COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "TYPE", isElastic: true },
  { title: "STATUS" },
  { title: "TRIES", isRight: true },
  { title: "CREATED" },
  { title: "TELLS", isElastic: true },
];

/** Jobs as a table. */
export function jobTable(
  jobs: readonly Job[],
  { style, width, now }: { readonly style: Style; readonly width: number; readonly now: number },
): string {
  const rows = jobs.map((job) => [
    inLine(job.id),
    inLine(job.type),
    { text: job.status, look: STATUS_LOOK[job.status] },
    job.deliveries,
    distanceText(job.createdAt, now),
    noteOf(job, now),
  ]);
  return tableText(LIST_COLUMNS, rows, { style, width });
}

/** What a line tells of a job besides its status. */
export function noteOf(
  job: Pick<Job, "status" | "error" | "progress" | "runAfter" | "worker"> & Partial<Job>,
  now: number,
): string {
  const parts = [];
  if (job.progress !== undefined && job.status === "RUNNING") {
    parts.push(`${job.progress.percent} % ${inLine(job.progress.message)}`.trim());
  }
  if (job.status === "PENDING" && job.runAfter > now) parts.push(`runs ${distanceText(job.runAfter, now)}`);
  if (job.heldBy !== undefined) parts.push(`held by ${job.heldBy}`);
  if (job.cancelRequested === true && job.status === "RUNNING") parts.push("cancel requested");
  if (job.error !== "" && job.status !== "DONE") parts.push(inLine(job.error));
  return parts.join(", ");
}

/** The state of a job in words, as in `PENDING (READY)`. */
export function stateText(job: Job): string {
  return `${job.status}${waitingFor(job)}`;
}

function waitingFor({ pendingState, heldBy }: Job): string {
  if (pendingState === undefined) return "";
  return ` (${pendingState}${heldBy === undefined ? "" : `, held by ${heldBy}`})`;
}

function cancelOf({ cancelRequested, status }: Job): string {
  return cancelRequested && status === "RUNNING" ? ", cancel requested" : "";
}

function tookText({ startedAt, finishedAt }: Job): string {
  return startedAt === undefined || finishedAt === undefined ? "" : `, ran ${durationText(finishedAt - startedAt)}`;
}

function contentText(name: string, value: unknown, json: string | undefined): string {
  if (value instanceof Uint8Array) return `${name}: ${value.byteLength} bytes\n`;
  if (json === undefined) return "";
  const text = indentJson(json);
  const shown = text.length > MAX_CONTENT ? `${text.slice(0, MAX_CONTENT)}… (${text.length} characters)` : text;
  return `${name}:\n${shown
    .split("\n")
    .map((line) => `  ${inLine(line)}\n`)
    .join("")}`;
}
