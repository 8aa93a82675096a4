import type { BackendListener } from "../../../core/backend.js";
import type { Clock } from "../../../core/clock.js";
import type { Logger } from "../../../model/log/logger.js";
import { atMost } from "../link/at-most.js";
import type { CompletedBytes } from "../queues/completed-bytes.js";
import type { DueTimes } from "../queues/due-times.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import type { QueueRegistry } from "../queues/queue-registry.js";
import { typesOf } from "../queues/ready-notices.js";
import { skipRefusal } from "../queues/refused-queues.js";
import { readCompleted } from "./log-entry.js";
import type { LogFollower } from "./log-follower.js";
import type { Masters } from "./masters.js";
import type { StoredLogs } from "./stored-logs.js";

/** Most queues of a master that are looked at at the same time: Redis serves others in between. */
const AT_ONCE = 64;

/** Wait before queues are looked at again that could not be, ms. */
const LOOK_AGAIN_MS = 500;

/** Dependencies of the looks. */
export interface QueueLooksDeps {
  readonly calls: QueueCalls;
  readonly registry: QueueRegistry;
  readonly masters: Masters;
  readonly dueTimes: DueTimes;
  readonly completed: CompletedBytes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly follower: LogFollower;
  readonly logs: StoredLogs;
  /** Undefined when the backend was stopped. */
  readonly listener: () => BackendListener | undefined;
}

/**
 * Looks how queues stand when notices may have been missed. One read of each queue tells all: the end of its log, which jobs are
 * ready, when it is to be swept; only what has something due is swept then.
 */
export class QueueLooks {
  readonly #deps: QueueLooksDeps;
  /** How often looks were begun: what earlier ones still do is of no use. */
  #turn = 0;

  constructor(deps: QueueLooksDeps) {
    this.#deps = deps;
  }

  /** Begins anew: what is still under way is given up. Call it before the list of queues is read. */
  begin(): void {
    this.#turn++;
  }

  /** Looks at these queues once. Rejects when one cannot be looked at. */
  async once(queues: readonly string[]): Promise<void> {
    await this.#lookAt(new Set(queues), this.#turn);
  }

  /**
   * Looks at these queues until all have been looked at; each master by itself, as one may be away. Resolves to whether it was
   * not given up.
   */
  async all(queues: readonly string[]): Promise<boolean> {
    const turn = this.#turn;
    const byMaster = new Map<string, Set<string>>();
    for (const queue of queues) {
      const master = this.#deps.masters.of(queue);
      byMaster.set(master, (byMaster.get(master) ?? new Set()).add(queue));
    }
    await Promise.all([...byMaster.values()].map((each) => this.#lookOn(each, turn)));
    return !this.#isGivenUp(turn);
  }

  #isGivenUp(turn: number): boolean {
    return turn !== this.#turn || this.#deps.listener() === undefined;
  }

  async #lookOn(queues: Set<string>, turn: number): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!this.#isGivenUp(turn)) {
      try {
        await this.#lookAt(queues, turn);
        return;
      } catch (error) {
        logger.warn({ err: error }, "some queues could not be looked at yet; trying again");
        await new Promise<void>((resolve) => clock.setTimer(LOOK_AGAIN_MS, resolve));
      }
    }
  }

  /** Looks at each of these queues, and takes those out that it has looked at. */
  async #lookAt(queues: Set<string>, turn: number): Promise<void> {
    const { registry, logs } = this.#deps;
    await atMost(AT_ONCE, [...queues], async (queue) => {
      if (turn !== this.#turn) return;
      if (registry.has(queue)) await this.#look(queue);
      else await logs.find([queue], true);
      queues.delete(queue);
    });
  }

  /** Looks how a queue stands: follows its log to the end, notes when it is to be swept, and tells which jobs are ready. */
  async #look(queue: string): Promise<void> {
    const { calls, dueTimes, follower, logs, completed, listener } = this.#deps;
    // Noted before: notices that arrive meanwhile may already be past the end that is read.
    const heard = follower.heard(queue)?.heard;
    dueTimes.look(queue);
    const answer = await calls.call("look", queue, []).catch(skipRefusal);
    if (answer === undefined) {
      // This server is too old for the queue: its sweeps look again after a while, and its log is told all the same.
      dueTimes.looked(queue, 0, 0);
      await logs.find([queue], true);
      return;
    }
    const [isThere, inMs, exactInMs, ready, figure, epoch, changes, stamp] = answer.rest;
    // A sweep finds out what became of a queue that is not there.
    const [next, exact] = Number(isThere) === 1 ? [Number(inMs), Number(exactInMs)] : [0, 0];
    dueTimes.looked(queue, next, exact);
    if (next >= 0) listener()?.due(next);
    completed.note(queue, readCompleted(text(figure)), true);
    const end = await logs.endOf(queue, text(epoch), text(changes), text(stamp));
    if (end !== undefined) await follower.follow(queue, end, heard);
    else if (heard !== undefined) logs.noLog(queue);
    const types = typesOf(text(ready));
    if (types?.length !== 0) listener()?.ready(queue, types);
  }
}
