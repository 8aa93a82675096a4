import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type QueueService,
  type QueueSettings as QueueSettingsPb,
  QueueSettingsSchema,
  QueuesSnapshotSchema,
  type UpdateQueueRequest,
  type WatchQueuesRequest,
  type WatchQueuesResponse,
  WatchQueuesResponseSchema,
} from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import { checkWatchedQueues } from "../../core/watch/check-watch.js";
import type { QueuesWatchEvent } from "../../core/watch/watch-events.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type QueueSettings,
  type QueueSettingsRequest,
  SETTING_PATHS,
} from "../../model/queue/queue.js";
import { Violations } from "../../model/request/violations.js";
import { MessageFeed } from "../message-feed.js";
import { fromHeartbeat, toMs } from "./convert.js";
import { fromQueue, type QueueSettingsFound, toQueueSettings } from "./convert-queue.js";

/** Implements QueueService on the core. */
export function createQueueService({ queues, watches }: EngineView): ServiceImpl<typeof QueueService> {
  return {
    async createQueue({ name, settings }) {
      const violations = new Violations();
      const given = settings && toQueueSettings(violations, "settings.", settings);
      return { queue: fromQueue(await queues.create(name, given, violations)) };
    },

    async getQueue({ name }) {
      return { queue: fromQueue(await queues.get(name)) };
    },

    async listQueues() {
      return { queues: (await queues.list()).map(fromQueue) };
    },

    async updateQueue(request) {
      const violations = new Violations();
      violations.filter("updateMask.paths", request.updateMask?.paths ?? []);
      const settings = masked(violations, request);
      return { queue: fromQueue(await queues.update(request.queue?.name ?? "", settings, violations)) };
    },

    async deleteQueue({ name, force }) {
      await queues.remove(name, force);
      return {};
    },

    async pauseQueue({ name }) {
      return { queue: fromQueue(await queues.pause(name)) };
    },

    async resumeQueue({ name }) {
      return { queue: fromQueue(await queues.resume(name)) };
    },

    async purgeQueue({ name }) {
      return { count: await queues.purge(name) };
    },

    watchQueues({ names, minInterval, changesOnly }: WatchQueuesRequest) {
      const violations = new Violations();
      const minIntervalMs = toMs(violations, "minInterval", minInterval);
      const asked = checkWatchedQueues(violations, names, minIntervalMs);
      return new MessageFeed(watches.watchQueues({ ...asked, changesOnly }), toMessage);
    },
  };
}

function toMessage(event: QueuesWatchEvent): WatchQueuesResponse {
  if (event.kind === "heartbeat") {
    return create(WatchQueuesResponseSchema, { event: { case: "heartbeat", value: fromHeartbeat(event.at) } });
  }
  const { at, queues, gone, hasMore } = event;
  const snapshot = { time: timestampFromMs(at), queues: queues.map(fromQueue), gone: [...gone], hasMore };
  return create(WatchQueuesResponseSchema, {
    event: { case: "snapshot", value: create(QueuesSnapshotSchema, snapshot) },
  });
}

/** The settings that the update mask names; without one, those that are set: a zero is put in by a mask only. */
function masked(violations: Violations, { queue, updateMask }: UpdateQueueRequest): QueueSettingsRequest {
  const given = queue?.settings ?? create(QueueSettingsSchema);
  const settings = toQueueSettings(violations, "queue.settings.", given);
  const paths = updateMask?.paths ?? [];
  if (paths.includes("settings")) return settings;
  const chosen: Partial<Record<keyof QueueSettings, unknown>> = {};
  if (paths.length === 0) {
    for (const field of MASK_PATHS.values()) if (isGiven(given, settings, field)) chosen[field] = settings[field];
  }
  paths.forEach((path, index) => {
    const field = MASK_PATHS.get(path);
    if (field !== undefined) chosen[field] = settings[field];
    else violations.add(`updateMask.paths[${index}]`, `${CHOICE}; cannot be changed: "${path}"`);
  });
  return chosen as QueueSettingsRequest;
}

/** Whether a setting is in the message. One that is never null is not when it is zero: zero has no presence there. */
function isGiven(given: QueueSettingsPb, settings: QueueSettingsFound, field: keyof QueueSettings): boolean {
  if (DEFAULT_QUEUE_SETTINGS[field] === null) return settings[field] !== null;
  return given[field as keyof QueueSettingsPb] !== 0;
}

const MASK_PATHS = new Map(Object.entries(SETTING_PATHS).map(([field, path]) => [path, field as keyof QueueSettings]));

/** Said before the caller's path, which may be long. All names would not fit in a violation. */
const CHOICE = 'must be "settings" or one of its fields as a whole, as "settings.weight"';
