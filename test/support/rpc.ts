import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { durationMs, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { Job, JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { Clients } from "./server.js";
import { within } from "./wait.js";

/** A JSON payload as a request carries it. */
export function payload(json: JsonValue): { case: "payload"; value: Value } {
  return { case: "payload", value: fromJson(ValueSchema, json) };
}

/** Returns the JSON of a payload or result; undefined when it is not JSON. */
export function jsonOf(kind: Job["payloadKind"] | Job["resultKind"]): JsonValue | undefined {
  return kind.case === "payload" || kind.case === "result" ? toJson(ValueSchema, kind.value) : undefined;
}

/** Returns the value, and fails when there is none. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("expected a value, got undefined");
  return value;
}

/** An error as a client sees it, with the names of the contract. */
export interface Refusal {
  /** The code, as in NOT_FOUND. */
  readonly code: string;
  readonly message: string;
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The bad fields, in order. */
  readonly fields: readonly string[];
  /** What is wrong with each of them. */
  readonly descriptions: readonly string[];
  /** The delay of the RetryInfo, ms. */
  readonly retryMs: number | undefined;
}

/** Resolves to the error that a call was refused with; fails when it was not refused. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await within(call, "the answer to a call");
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return toRefusal(error);
  }
  throw new Error("expected the call to be refused, and it was not");
}

/** Reads the details of an error. */
export function toRefusal(error: ConnectError): Refusal {
  const [info] = error.findDetails(ErrorInfoSchema);
  const violations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  const [retry] = error.findDetails(RetryInfoSchema);
  return {
    code: codeName(error.code),
    message: error.rawMessage,
    reason: info?.reason,
    domain: info?.domain,
    metadata: info?.metadata ?? {},
    fields: violations.map(({ field }) => field),
    descriptions: violations.map(({ description }) => description),
    retryMs: retry?.retryDelay && durationMs(retry.retryDelay),
  };
}

/** The name of a code as gRPC writes it. */
export function codeName(code: Code): string {
  return (Code[code] ?? String(code)).replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();
}

/** Reads a stream message by message. Every wait is bounded. */
export interface Reader<T> {
  /** Resolves to the next message; fails when the stream has ended. */
  next(): Promise<T>;
  /** Resolves to the messages up to and including the first that `isLast` accepts. */
  until(isLast: (message: T) => boolean): Promise<T[]>;
  /** Resolves to the remaining messages, when the stream has ended. */
  rest(): Promise<T[]>;
}

/** Creates a reader of a stream. */
export function reading<T>(stream: AsyncIterable<T>): Reader<T> {
  const iterator = stream[Symbol.asyncIterator]();
  const step = () => within(iterator.next(), "the next message of a stream");
  const reader: Reader<T> = {
    async next() {
      const result = await step();
      if (result.done === true) throw new Error("the stream ended, and more was expected");
      return result.value;
    },
    async until(isLast) {
      const messages = [await reader.next()];
      for (let last = messages[0]; last !== undefined && !isLast(last); messages.push(last)) last = await reader.next();
      return messages;
    },
    async rest() {
      const messages: T[] = [];
      for (let result = await step(); result.done !== true; result = await step()) messages.push(result.value);
      return messages;
    },
  };
  return reader;
}

/** Resolves to a job when it has ended, by WatchJob. */
export async function finished({ jobs }: Pick<Clients, "jobs">, id: string): Promise<Job> {
  const messages = await reading(jobs.watchJob({ id })).rest();
  const last = messages.at(-1);
  if (last?.event.case !== "job") throw new Error(`the watch of job ${id} did not end with its state`);
  return last.event.value;
}

/** Resolves when a job has this status or has had it, by WatchJob. */
export async function reaches({ jobs }: Pick<Clients, "jobs">, id: string, status: JobStatus): Promise<void> {
  const leave = new AbortController();
  const watch = reading(jobs.watchJob({ id }, { signal: leave.signal }));
  await watch.until(({ event }) => event.case === "job" && event.value.status === status);
  leave.abort();
}

/** Creates a job and returns its id. */
export async function created(
  { jobs }: Pick<Clients, "jobs">,
  request: Parameters<Clients["jobs"]["createJob"]>[0],
): Promise<string> {
  const { job } = await jobs.createJob(request);
  return present(job).id;
}
