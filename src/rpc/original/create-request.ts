import type { Message } from "@bufbuild/protobuf";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { type RawMember, rawMembersOf } from "../../model/common/json-members.js";
import { DecodeError } from "../../wire/decode-error.js";
import { type ParsedJson, parseJson, parseJsonInSteps, readParsedJson } from "../../wire/json/json-decoder.js";
import { checkJsonFields } from "../../wire/json/json-fields.js";
import { DECODE_LIMITS } from "../wire-options.js";

/** What a Duration may be, either way. What a delay may be is less, and not decided here. */
const MAX_SECONDS = 315_576_000_000;

const AS_TEXT = { payloadFormat: "PAYLOAD_FORMAT_TEXT" } as const;

/** What a body has of a create; more is passed over, as the original does. */
type CreateField = "type" | "priority" | "delay" | "max_retries" | "payload";
const CREATE_FIELDS: ReadonlySet<string> = new Set<CreateField>([
  "type",
  "priority",
  "delay",
  "max_retries",
  "payload",
]);

/**
 * Reads the body of a create into the request for a job in this queue (empty: `default`). The payload is taken as it stands there, to
 * the letter. Throws a DecodeError.
 */
export function readCreate(queue: string, bytes: Uint8Array): Message {
  return toRequest(queue, parseJson(bytes, DECODE_LIMITS));
}

/** The same in steps. */
export function* readCreateInSteps(queue: string, bytes: Uint8Array): Generator<void, Message> {
  const parsed = yield* parseJsonInSteps(bytes, DECODE_LIMITS);
  yield;
  const request = toRequest(queue, parsed);
  yield* checkJsonFields(CreateJobRequestSchema, request, DECODE_LIMITS);
  return request;
}

function toRequest(queue: string, { text, json }: ParsedJson): Message {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new DecodeError([{ field: "request", description: "must be a JSON object" }]);
  }
  const body = membersOf(text);
  const given = (name: CreateField): unknown => {
    const member = body.get(name);
    return member && (json as Readonly<Record<string, unknown>>)[member.name];
  };
  const request = {
    queue,
    type: given("type"),
    priority: given("priority"),
    maxRetries: given("max_retries"),
    delay: toDuration(given("delay")),
    payloadJson: body.get("payload")?.text,
  };
  return readParsedJson(CreateJobRequestSchema, { ...withoutUnset(request), ...AS_TEXT }, DECODE_LIMITS);
}

/** The members of a create. Names in capitals are the same ones, and the last of several counts: so does the original take them. */
function membersOf(text: string): ReadonlyMap<string, RawMember> {
  const members = new Map<string, RawMember>();
  for (const member of rawMembersOf(text)) {
    const name = member.name.toLowerCase();
    if (CREATE_FIELDS.has(name)) members.set(name, member);
  }
  return members;
}

/** Whole seconds as JSON has a Duration. */
function toDuration(delay: unknown): string | undefined {
  if (delay === undefined || delay === null) return undefined;
  if (Number.isInteger(delay) && Math.abs(delay as number) <= MAX_SECONDS) return `${delay}s`;
  throw new DecodeError([{ field: "delay", description: "must be a whole number of seconds, up to 1 year" }]);
}

function withoutUnset(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  for (const name in members) if (members[name] !== undefined && members[name] !== null) set[name] = members[name];
  return set;
}
