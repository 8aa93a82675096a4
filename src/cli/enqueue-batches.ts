import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { NewJob, TaskQueueClient } from "../client/index.js";
import { errorText } from "../model/common/describe-error.js";
import { TaskQueueError } from "../model/common/errors.js";
import { RawJson } from "../model/job/raw-json.js";
import { CommandError, UsageError } from "./command-error.js";
import { exitCodeOf } from "./exit-codes.js";
import type { Io } from "./io.js";
import { memberText } from "./json-text.js";
import type { JsonRecord } from "./output/records.js";
import { parseJson, parsePayload } from "./payload.js";

/** Most jobs of one call, and most characters of their lines: a message may have 4 MiB. */
const MAX_JOBS = 1000;
const MAX_CHARACTERS = 1_000_000;

/** Fields that a line may have when it is a whole job. */
const FIELDS: ReadonlySet<string> = new Set<keyof NewJob>([
  "queue",
  "type",
  "payload",
  "priority",
  "delayMs",
  "runAfter",
  "maxRetries",
  "backoff",
  "timeoutMs",
  "ttlMs",
  "expiresAt",
  "unique",
  "key",
  "metadata",
  "requestId",
  "traceContext",
]);

/** What the lines are. */
export interface BatchSource {
  /** Each line is the payload of a job of this type. Undefined: each line is a whole job. */
  readonly type: string | undefined;
  /** What every job has, unless its line says otherwise. */
  readonly defaults: Omit<NewJob, "type" | "payload">;
  /** `-` for stdin, or `@file`. */
  readonly source: string;
}

/**
 * Creates a job for each line that is not empty, and tells of each in order. Resolves to how many were created. Each call creates
 * all of its jobs or none: the first that fails ends it, and its error tells the line and how many were created before.
 */
export async function createInBatches(
  client: TaskQueueClient,
  io: Io,
  { type, defaults, source }: BatchSource,
  created: (record: JsonRecord) => Promise<void>,
): Promise<number> {
  let count = 0;
  let size = 0;
  let number = 0;
  let batch: { readonly job: NewJob; readonly line: number }[] = [];

  async function flush(): Promise<void> {
    if (batch.length === 0) return;
    const jobs = batch;
    batch = [];
    size = 0;
    const results = await client.createBatch(jobs.map(({ job }) => job)).catch((error) => {
      throw withLine(
        error,
        jobs.map(({ line }) => line),
        count,
      );
    });
    count += results.length;
    for (const { id, deduplicated, replaced } of results) {
      await created({ id, ...(deduplicated && { deduplicated }), ...(replaced && { replaced }) });
    }
  }

  try {
    const input = await openSource(source, io);
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line.trim() === "") continue;
      const own = type === undefined ? wholeJob(line, number) : { type, payload: parsePayload(line, `line ${number}`) };
      if (batch.length === MAX_JOBS || size + line.length > MAX_CHARACTERS) await flush();
      batch.push({ job: { ...defaults, ...own }, line: number });
      size += line.length;
    }
    await flush();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}${before(count)}`);
  }
  return count;
}

async function openSource(source: string, io: Io): Promise<NodeJS.ReadableStream> {
  if (source === "-") return io.stdin;
  if (!source.startsWith("@")) throw new UsageError("--batch reads stdin or @file");
  try {
    return (await open(source.slice(1))).createReadStream();
  } catch (error) {
    throw new UsageError(errorText(error));
  }
}

function wholeJob(json: string, line: number): NewJob {
  const value = parseJson(json, `line ${line}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`line ${line}: without a type in the arguments each line is a job, like {"type":"send"}`);
  }
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw new UsageError(`line ${line}: a job has no field "${unknown}"`);
  const job = value as NewJob & { readonly runAfter?: unknown; readonly expiresAt?: unknown };
  const payload = memberText(json, "payload");
  return { ...job, ...moments(job, line), ...(payload !== undefined && { payload: new RawJson(payload) }) };
}

/** Times may be texts in JSON. */
function moments(job: { readonly runAfter?: unknown; readonly expiresAt?: unknown }, line: number): Partial<NewJob> {
  const found: Record<string, number> = {};
  for (const name of ["runAfter", "expiresAt"] as const) {
    const text = job[name];
    if (typeof text !== "string") continue;
    const at = Date.parse(text);
    if (Number.isNaN(at)) throw new UsageError(`line ${line}: ${name} is not a time`);
    found[name] = at;
  }
  return found;
}

/** The error of a call, with the lines that its fields are about. */
function withLine(error: unknown, lines: readonly number[], count: number): unknown {
  if (!(error instanceof TaskQueueError)) return error;
  const text = errorText(error).replace(/\brequests\[(\d+)\]\.?/g, (_, index) => `line ${lines[Number(index)]}: `);
  return new CommandError(`${text} (${error.reason})${before(count)}`, exitCodeOf(error.code));
}

function before(count: number): string {
  return `; ${count === 0 ? "no jobs were created" : `the ${count} jobs of the lines before were created`}`;
}
