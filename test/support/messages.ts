import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { anyPack, durationFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";

const SERVICES = [JobService, QueueService, DlqService, ScheduleService, WorkerService, ServerService, Health];

/** Every message type that a method of ours takes or returns. */
export const MESSAGES = SERVICES.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output]));

const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.constantFrom(
    "",
    "\u00e9".repeat(50),
    "x".repeat(39),
    "x".repeat(40),
    "x".repeat(41),
    "x".repeat(300),
    "\u{1f600}",
  ),
);

/** Any JSON value. */
export const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return texts;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 300 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT32:
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)));
    case ScalarType.UINT32:
      return fc.oneof(fc.nat(), fc.constantFrom(0, 127, 128, 16_384, 2 ** 32 - 1));
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.UINT64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    default:
      return fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(0n, -1n, 2n ** 53n));
  }
}

/** Messages with rules for their JSON form, which not every value satisfies. */
const SPECIAL: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  "google.protobuf.Timestamp": fc.record({
    seconds: fc.oneof(fc.constant(1_780_000_000n), fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n })),
    nanos: fc.constantFrom(0, 1, 5_000_000, 123_000, 999_999_999),
  }),
  "google.protobuf.Duration": fc
    .tuple(fc.nat({ max: 2 ** 31 }), fc.constantFrom(0, 1, 500_000_000), fc.boolean())
    .map(([seconds, nanos, isNegative]) =>
      isNegative ? { seconds: BigInt(-seconds), nanos: -nanos } : { seconds: BigInt(seconds), nanos },
    ),
  "google.protobuf.FieldMask": fc.constantFrom({ paths: [] }, { paths: ["settings.max_depth", "a"] }),
  "google.rpc.Status": fc.record({
    code: fc.nat({ max: 16 }),
    message: texts,
    details: fc.array(
      fc.oneof(
        texts.map((reason) => anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, metadata: { a: reason } }))),
        fc.nat().map((ms) => anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(ms) }))),
        texts.map((field) => anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [{ field }] }))),
      ),
      { maxLength: 3 },
    ),
  }),
  "google.protobuf.Value": json.map((value) => fromJson(ValueSchema, value)),
};

function single(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return messageOf(field.message, depth - 1);
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map(({ number }) => number), 77);
  return scalar(field.scalar ?? ScalarType.INT32);
}

function fieldValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const one = single(field, depth);
  if (field.fieldKind === "list") return fc.array(one, { maxLength: 3 });
  if (field.fieldKind === "map")
    return fc.dictionary(
      texts.filter((key) => key !== "__proto__"),
      one,
      { maxKeys: 3 },
    );
  return one;
}

/** Messages with some of their fields set. */
export function messageOf(desc: DescMessage, depth = 3): fc.Arbitrary<Message> {
  const special = SPECIAL[desc.typeName];
  if (special !== undefined) return special.map((init) => create(desc, init as Message));
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of desc.members) {
    if (member.kind === "oneof") {
      members[member.localName] = fc.oneof(
        ...member.fields.map((field) => fieldValue(field, depth).map((value) => ({ case: field.localName, value }))),
      );
    } else if (depth > 0 || member.message === undefined) members[member.localName] = fieldValue(member, depth);
  }
  return fc.record(members, { requiredKeys: [] }).map((init) => create(desc, init as Message));
}
