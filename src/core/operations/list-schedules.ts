import { pageTokenInvalid, TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { type Schedule, type ScheduleView, scheduleState } from "../../model/request/schedule.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import { type SchedulePage as StorePage, scheduleBytes } from "../port/schedule-store.js";
import { forEachAtOnce } from "./for-each-at-once.js";
import { readPagePosition, writePageToken } from "./page-token.js";

/** Which schedules to list. */
export interface ScheduleListQuery {
  /** Only those of this queue. Default: of all. */
  readonly queue?: string | undefined;
  /** Most schedules on a page. 0 or undefined: 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the page before. Default: the first page. */
  readonly pageToken?: string | undefined;
}

/** One page of a listing. */
export interface ScheduleListPage {
  readonly schedules: readonly ScheduleView[];
  /** `pageToken` for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/** Lists schedules by queue, then by name. A page may have fewer than asked for, even none, and not be the last. */
export type ListSchedules = (query?: ScheduleListQuery) => Promise<ScheduleListPage>;

/** Queues that one page looks into, and how many of them at the same time. */
const MOST_QUEUES = 512;
const AT_ONCE = 16;

/** Returns a schedule with why it makes jobs or does not. */
export function seen(schedule: Schedule, queuePaused: boolean): ScheduleView {
  return { ...schedule, state: scheduleState(schedule), queuePaused };
}

const LEFT_OUT: ReadonlySet<string> = new Set(["QUEUE_NOT_FOUND", "UPGRADE_REQUIRED"]);

/** Where a page ended. */
interface Place {
  readonly queue: string;
  /** The last schedule that was told; undefined: all of its queue were. */
  readonly name: string | undefined;
}

/** Creates the listing of the schedules of a backend. */
export function createListSchedules(backend: Backend): ListSchedules {
  return async ({ queue: only = "", pageSize, pageToken } = {}) => {
    const violations = new Violations();
    if (only !== "") violations.queueName("queue", only);
    violations.pageSize("pageSize", pageSize);
    violations.throwIfAny();
    const filter = `schedules ${only}`;
    const from = pageToken ? readPlace(readPagePosition(filter, pageToken)) : undefined;
    const names = only === "" ? (await backend.queueNames()).map(({ name }) => name) : [only];
    const queues = names.filter(
      (name) => from === undefined || name > from.queue || (name === from.queue && from.name !== undefined),
    );
    const found = await take(queues, from, pageSize || LIMITS.defaultPageSize, only !== "");
    const paused = await pausedAmong([...new Set(found.schedules.map(({ queue }) => queue))]);
    return {
      schedules: found.schedules.map((schedule) => seen(schedule, paused.has(schedule.queue))),
      nextPageToken: found.end === undefined ? "" : writePageToken(filter, JSON.stringify(found.end)),
    };
  };

  /** The first schedules of these queues, and where they end; `end` undefined: there are no more. */
  async function take(
    queues: readonly string[],
    from: Place | undefined,
    limit: number,
    isNamed: boolean,
  ): Promise<{ readonly schedules: readonly Schedule[]; readonly end: Place | undefined }> {
    const schedules: Schedule[] = [];
    let end: Place | undefined;
    let bytes = 0;
    for (let at = 0; at < queues.length; at += AT_ONCE) {
      if (at >= MOST_QUEUES) return { schedules, end };
      const part = queues.slice(at, at + AT_ONCE);
      const pages = new Map<string, StorePage>();
      await forEachAtOnce(part, AT_ONCE, async (queue) => {
        const after = queue === from?.queue ? from.name : undefined;
        // One more than fits tells whether there are more.
        pages.set(queue, await read(queue, after, limit - schedules.length + 1, isNamed));
      });
      for (const queue of part) {
        const page = pages.get(queue);
        if (page === undefined) continue;
        for (const schedule of page.schedules) {
          bytes += scheduleBytes(schedule);
          if (schedules.length === limit || (bytes > LIMITS.pageBytes && schedules.length > 0))
            return { schedules, end };
          schedules.push(schedule);
          end = { queue, name: schedule.name };
        }
        if (page.next !== undefined) return { schedules, end: { queue, name: page.next } };
        end = { queue, name: undefined };
      }
    }
    return { schedules, end: undefined };
  }

  /** One page of one queue. One of many may have been deleted since their names were read, or be for newer servers. */
  async function read(queue: string, after: string | undefined, limit: number, isNamed: boolean): Promise<StorePage> {
    try {
      return await backend.listSchedules({ queue, after, limit });
    } catch (error) {
      const isLeftOut = error instanceof TaskQueueError && LEFT_OUT.has(error.reason);
      if (isLeftOut && !isNamed) return { schedules: [], next: undefined };
      throw error;
    }
  }

  async function pausedAmong(queues: readonly string[]): Promise<ReadonlySet<string>> {
    if (queues.length === 0) return new Set();
    const found = await backend.queues(queues, "part");
    return new Set(found.filter(({ paused }) => paused).map(({ name }) => name));
  }
}

/** Checks a position, which may be of any form: anybody can make a token. */
function readPlace(position: unknown): Place {
  const { queue, name } = (position ?? {}) as Partial<Record<keyof Place, unknown>>;
  if (typeof queue !== "string" || !(name === undefined || typeof name === "string")) throw pageTokenInvalid();
  return { queue, name };
}
