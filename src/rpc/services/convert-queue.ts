import { create } from "@bufbuild/protobuf";
import {
  QueueOrdering as QueueOrderingPb,
  type Queue as QueuePb,
  QueueSchema,
  type QueueSettings as QueueSettingsPb,
  QueueSettingsSchema,
  QueueStatsSchema,
  type RateLimit as RateLimitPb,
  RateLimitSchema,
} from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { Queue, QueueOrdering, QueueSettings, QueueSettingsRequest } from "../../model/queue/queue.js";
import type { RateLimit, RateLimitRequest } from "../../model/queue/rate-limit.js";
import type { Violations } from "../../model/request/violations.js";
import { fromBackoff, toBackoffRequest, toMs } from "./convert.js";
import { fromDuration, fromMs, fromTime } from "./times.js";

const ORDERING_TO_PB: Readonly<Record<QueueOrdering, QueueOrderingPb>> = {
  PRIORITY: QueueOrderingPb.PRIORITY,
  RUN_AFTER: QueueOrderingPb.RUN_AFTER,
  FAIR: QueueOrderingPb.FAIR,
};

/** All settings, as a message says them. */
export type QueueSettingsFound = {
  readonly [Name in keyof QueueSettings]-?: Exclude<QueueSettingsRequest[Name], undefined>;
};

/** Converts the settings of a queue. `path`: what the names of bad fields begin with. */
export function toQueueSettings(violations: Violations, path: string, settings: QueueSettingsPb): QueueSettingsFound {
  const { defaultBackoff, rateLimit } = settings;
  return {
    ordering: toOrdering(violations, `${path}ordering`, settings.ordering),
    weight: settings.weight || 1,
    maxConcurrency: settings.maxConcurrency,
    maxConcurrencyPerKey: settings.maxConcurrencyPerKey,
    rateLimit: rateLimit ? toRateLimitRequest(violations, `${path}rateLimit`, rateLimit) : null,
    maxDepth: settings.maxDepth,
    completedTtlMs: toMs(violations, `${path}completedTtl`, settings.completedTtl) ?? null,
    maxCompleted: settings.maxCompleted ?? null,
    deadTtlMs: toMs(violations, `${path}deadTtl`, settings.deadTtl) ?? null,
    maxDead: settings.maxDead ?? null,
    defaultMaxRetries: settings.defaultMaxRetries ?? null,
    defaultBackoff: defaultBackoff ? toBackoffRequest(violations, `${path}defaultBackoff`, defaultBackoff) : null,
    defaultTimeoutMs: toMs(violations, `${path}defaultTimeout`, settings.defaultTimeout) ?? null,
    defaultTtlMs: toMs(violations, `${path}defaultTtl`, settings.defaultTtl) ?? null,
  };
}

function toRateLimitRequest(
  violations: Violations,
  field: string,
  { count, period, burst }: RateLimitPb,
): RateLimitRequest {
  // What is not set is refused with the rest of the settings.
  const periodMs = toMs(violations, `${field}.period`, period) ?? Number.NaN;
  return { count, periodMs, burst: burst === 0 ? undefined : burst };
}

function toOrdering(violations: Violations, field: string, ordering: QueueOrderingPb): QueueOrdering {
  if (ordering === QueueOrderingPb.RUN_AFTER) return "RUN_AFTER";
  if (ordering === QueueOrderingPb.FAIR) return "FAIR";
  if (ordering !== QueueOrderingPb.PRIORITY && ordering !== QueueOrderingPb.UNSPECIFIED) {
    violations.add(field, `is not an ordering: ${ordering}`);
  }
  return "PRIORITY";
}

function fromQueueSettings(settings: QueueSettings): QueueSettingsPb {
  const { weight, maxConcurrency, maxConcurrencyPerKey, maxDepth } = settings;
  const { completedTtlMs, maxCompleted, deadTtlMs, maxDead } = settings;
  const ordering = ORDERING_TO_PB[settings.ordering];
  const message = create(QueueSettingsSchema, { ordering, weight, maxConcurrency, maxConcurrencyPerKey, maxDepth });
  const { rateLimit } = settings;
  if (rateLimit !== null) message.rateLimit = fromRateLimit(rateLimit);
  if (completedTtlMs !== null) message.completedTtl = fromDuration(completedTtlMs);
  if (maxCompleted !== null) message.maxCompleted = maxCompleted;
  if (deadTtlMs !== null) message.deadTtl = fromDuration(deadTtlMs);
  if (maxDead !== null) message.maxDead = maxDead;
  const { defaultMaxRetries, defaultBackoff, defaultTimeoutMs, defaultTtlMs } = settings;
  if (defaultMaxRetries !== null) message.defaultMaxRetries = defaultMaxRetries;
  if (defaultBackoff !== null) message.defaultBackoff = fromBackoff(defaultBackoff);
  if (defaultTimeoutMs !== null) message.defaultTimeout = fromDuration(defaultTimeoutMs);
  if (defaultTtlMs !== null) message.defaultTtl = fromDuration(defaultTtlMs);
  return message;
}

function fromRateLimit({ count, periodMs, burst }: RateLimit): RateLimitPb {
  return create(RateLimitSchema, { count, period: fromDuration(periodMs), burst });
}

/** Converts a queue to its message. */
export function fromQueue({ name, settings, paused, createdAt, nextSlotAt, stats }: Queue): QueuePb {
  const { oldestReadyAgeMs, completed, readyTypes, ...counts } = stats;
  return create(QueueSchema, {
    name,
    settings: fromQueueSettings(settings),
    paused,
    createdAt: fromMs(createdAt),
    nextSlotAt: fromTime(nextSlotAt),
    stats: create(QueueStatsSchema, {
      ...counts,
      oldestReadyAge: oldestReadyAgeMs === undefined ? undefined : fromDuration(oldestReadyAgeMs),
      completed: BigInt(completed),
      readyTypes: [...readyTypes],
    }),
  });
}
