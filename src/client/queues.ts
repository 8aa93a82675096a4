import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import {
  QueueOrdering as QueueOrderingPb,
  type Queue as QueuePb,
  QueueService,
  QueueSettingsSchema,
  type RateLimit as RateLimitPb,
  RateLimitSchema,
} from "../../gen/gotaskq/v1/queue_service_pb.js";
import { toApiError } from "../api/api-error.js";
import type { Queues } from "../api/queues.js";
import { fieldInvalid } from "../model/common/errors.js";
import {
  QUEUE_ORDERINGS,
  type Queue,
  type QueueSettings,
  type QueueSettingsRequest,
  SETTING_PATHS,
} from "../model/queue/queue.js";
import type { RateLimit, RateLimitRequest } from "../model/queue/rate-limit.js";
import { checkQueueSettings } from "../model/request/validate.js";
import { Violations } from "../model/request/violations.js";
import type { Caller } from "./calls.js";
import { fromBackoff, toBackoff } from "./convert/backoff.js";
import { converters } from "./convert/converters.js";
import { numberOf } from "./convert/enum-number.js";
import { lengthOf, timeOf } from "./convert/times.js";
import { createRpc } from "./rpc.js";

const { int } = converters();

/** Creates the client of QueueService. */
export function createQueues(transport: Transport, caller: Caller): Queues {
  const rpc = createRpc(QueueService, transport);
  const one = async (answer: Promise<{ queue?: QueuePb | undefined }>) => fromQueue((await answer).queue);
  return {
    create: async (name, settings = {}, call) => {
      // A message cannot tell a zero from nothing.
      check(name, settings);
      return one(caller.once((options) => rpc.createQueue({ name, settings: toSettings(settings) }, options), call));
    },
    get: (name, call) => one(caller.repeatable((options) => rpc.getQueue({ name }, options), call)),
    async list(call) {
      const { queues } = await caller.repeatable((options) => rpc.listQueues({}, options), call);
      return queues.map(fromQueue);
    },
    async update(name, settings, call) {
      check(name, settings);
      const given = (Object.keys(SETTING_PATHS) as (keyof QueueSettings)[]).filter(
        (key) => settings[key] !== undefined,
      );
      const updateMask = create(FieldMaskSchema, { paths: given.map((key) => SETTING_PATHS[key]) });
      const queue = { name, settings: toSettings(settings) };
      return one(caller.repeatable((options) => rpc.updateQueue({ queue, updateMask }, options), call));
    },
    async delete(name, { force = false, ...call } = {}) {
      await caller.once((options) => rpc.deleteQueue({ name, force }, options), call);
    },
    pause: (name, call) => one(caller.repeatable((options) => rpc.pauseQueue({ name }, options), call)),
    resume: (name, call) => one(caller.repeatable((options) => rpc.resumeQueue({ name }, options), call)),
    async purge(name, call) {
      return (await caller.once((options) => rpc.purgeQueue({ name }, options), call)).count;
    },
    async *watch({ names = [], minIntervalMs, ...call } = {}) {
      const request = {
        names: [...names],
        minInterval: minIntervalMs === undefined ? undefined : durationFromMs(int("minIntervalMs", minIntervalMs)),
      };
      for await (const { event } of caller.resumed((options) => rpc.watchQueues(request, options), call)) {
        if (event.case === "snapshot") yield event.value.queues.map(fromQueue);
      }
    },
  };
}

/** Refuses what a message would tell as something else, with the words of the core. */
function check(name: string, settings: QueueSettingsRequest): void {
  const violations = new Violations();
  violations.queueName("name", name);
  checkQueueSettings(violations, "settings.", settings);
  const refusal = violations.refusal();
  if (refusal !== undefined) throw toApiError(refusal);
}

/** Null and what is not given are left out: an update says by its mask which of them it means. */
function toSettings(settings: QueueSettingsRequest) {
  const { ordering, weight, maxConcurrency, maxConcurrencyPerKey, maxDepth } = settings;
  const { completedTtlMs, maxCompleted, deadTtlMs, maxDead } = settings;
  const message = create(QueueSettingsSchema, { weight, maxConcurrency, maxConcurrencyPerKey, maxDepth });
  if (ordering !== undefined && ordering !== null)
    message.ordering = numberOf("settings.ordering", QueueOrderingPb, ordering);
  if (settings.rateLimit) message.rateLimit = toRateLimit(settings.rateLimit);
  if (isNumber(completedTtlMs)) message.completedTtl = toDuration("completedTtlMs", completedTtlMs);
  if (isNumber(maxCompleted)) message.maxCompleted = maxCompleted;
  if (isNumber(deadTtlMs)) message.deadTtl = toDuration("deadTtlMs", deadTtlMs);
  if (isNumber(maxDead)) message.maxDead = maxDead;
  const { defaultMaxRetries, defaultBackoff, defaultTimeoutMs, defaultTtlMs } = settings;
  if (isNumber(defaultMaxRetries)) message.defaultMaxRetries = defaultMaxRetries;
  if (defaultBackoff) message.defaultBackoff = toBackoff(defaultBackoff, toDuration);
  if (isNumber(defaultTimeoutMs)) message.defaultTimeout = toDuration("defaultTimeoutMs", defaultTimeoutMs);
  if (isNumber(defaultTtlMs)) message.defaultTtl = toDuration("defaultTtlMs", defaultTtlMs);
  return message;
}

function toRateLimit({ count, periodMs, burst }: RateLimitRequest) {
  return create(RateLimitSchema, { count, period: toDuration("rateLimit.periodMs", periodMs), burst });
}

function isNumber(value: number | null | undefined): value is number {
  return value !== null && value !== undefined;
}

function toDuration(field: string, ms: number): Duration {
  if (Number.isFinite(ms)) return durationFromMs(Math.ceil(ms));
  throw fieldInvalid([{ field: `settings.${field}`, description: `must be a number of ms, got ${ms}` }]);
}

function fromRateLimit({ count, period, burst }: RateLimitPb): RateLimit {
  return { count, periodMs: lengthOf(period) ?? 0, burst };
}

function fromQueue(queue: QueuePb | undefined): Queue {
  const { settings, stats } = queue ?? {};
  return {
    name: queue?.name ?? "",
    settings: {
      ordering: QUEUE_ORDERINGS[(settings?.ordering ?? 0) - 1] ?? "PRIORITY",
      weight: settings?.weight ?? 1,
      maxConcurrency: settings?.maxConcurrency ?? 0,
      maxConcurrencyPerKey: settings?.maxConcurrencyPerKey ?? 0,
      rateLimit: settings?.rateLimit ? fromRateLimit(settings.rateLimit) : null,
      maxDepth: settings?.maxDepth ?? 0,
      completedTtlMs: lengthOf(settings?.completedTtl) ?? null,
      maxCompleted: settings?.maxCompleted ?? null,
      deadTtlMs: lengthOf(settings?.deadTtl) ?? null,
      maxDead: settings?.maxDead ?? null,
      defaultMaxRetries: settings?.defaultMaxRetries ?? null,
      defaultBackoff: settings?.defaultBackoff ? fromBackoff(settings.defaultBackoff) : null,
      defaultTimeoutMs: lengthOf(settings?.defaultTimeout) ?? null,
      defaultTtlMs: lengthOf(settings?.defaultTtl) ?? null,
    },
    paused: queue?.paused ?? false,
    createdAt: timeOf(queue?.createdAt) ?? 0,
    nextSlotAt: timeOf(queue?.nextSlotAt),
    stats: {
      ready: stats?.ready ?? 0,
      scheduled: stats?.scheduled ?? 0,
      retrying: stats?.retrying ?? 0,
      limited: stats?.limited ?? 0,
      running: stats?.running ?? 0,
      dead: stats?.dead ?? 0,
      done: stats?.done ?? 0,
      oldestReadyAgeMs: lengthOf(stats?.oldestReadyAge),
      completed: Number(stats?.completed ?? 0),
      readyTypes: stats?.readyTypes ?? [],
    },
  };
}
