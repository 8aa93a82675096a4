import type { BackendOptions } from "../../../core/backend.js";
import type { Clock } from "../../../core/clock.js";
import type { StoreFault, StoreObserver } from "../../../core/port/store-observer.js";
import { TaskQueueError } from "../../../model/common/errors.js";
import { ByteGates } from "../link/byte-gate.js";
import { type Arg, bytesOf, type Connection, type Reply } from "../link/connection.js";
import { ENQUEUE, ENQUEUE_UNIQUE, FIRE } from "../scripts/enqueue.js";
import { ACT, CANCEL, GET, REMOVE, REPLAY, REVISE, RUN } from "../scripts/jobs.js";
import type { Keys } from "../scripts/keys.js";
import { LEAN_COMPLETE } from "../scripts/lean-complete.js";
import { LEAN_CREATE } from "../scripts/lean-create.js";
import { LEAN_LEASE } from "../scripts/lean-lease.js";
import { GIVE_BACK, LEASE, RECALL_LEASES } from "../scripts/lease.js";
import { LIST, LIST_DEAD } from "../scripts/listing.js";
import { COUNT_READY, OLDEST, READY_TYPES, SHOW_QUEUE } from "../scripts/queue-figures.js";
import { BEGIN_DELETE, CONTINUE_DELETE, CREATE_QUEUE, PAUSE_QUEUE, PURGE, UPDATE_QUEUE } from "../scripts/queues.js";
import {
  CREATE_SCHEDULE,
  DELETE_SCHEDULE,
  GET_SCHEDULE,
  LIST_SCHEDULES,
  UPDATE_SCHEDULE,
} from "../scripts/schedules.js";
import { queueScript, type Script } from "../scripts/script.js";
import { COMPLETE, COMPLETE_FULL, EXTEND, FAIL, RELEASE } from "../scripts/settle.js";
import { LOOK, SWEEP, TRIM } from "../scripts/sweep.js";
import type { DueTimes } from "./due-times.js";
import { type Memo, MemoSlots } from "./memo-slots.js";
import type { ReadyNotices } from "./ready-notices.js";
import type { RefusedQueues } from "./refused-queues.js";
import type { ScriptReply, StoreTimes } from "./store-times.js";

const BODIES = {
  enqueue: ["grow", ENQUEUE, LEAN_CREATE],
  enqueueUnique: ["grow", ENQUEUE_UNIQUE],
  fire: ["grow", FIRE],
  lease: ["end", LEASE, LEAN_LEASE],
  recall: ["end", RECALL_LEASES],
  giveBack: ["end", GIVE_BACK],
  complete: ["grow", COMPLETE, LEAN_COMPLETE],
  completeFull: ["end", COMPLETE_FULL],
  fail: ["end", FAIL],
  release: ["end", RELEASE],
  extend: ["end", EXTEND],
  get: ["read", GET],
  list: ["read", LIST],
  listDead: ["read", LIST_DEAD],
  cancel: ["end", CANCEL],
  run: ["end", RUN],
  revise: ["end", REVISE],
  revisePayload: ["grow", REVISE],
  replay: ["end", REPLAY],
  remove: ["end", REMOVE],
  act: ["end", ACT],
  show: ["read", SHOW_QUEUE],
  look: ["read", LOOK],
  readyTypes: ["read", READY_TYPES],
  oldest: ["read", OLDEST],
  countReady: ["read", COUNT_READY],
  create: ["grow", CREATE_QUEUE],
  createSchedule: ["grow", CREATE_SCHEDULE],
  updateSchedule: ["end", UPDATE_SCHEDULE],
  enlargeSchedule: ["grow", UPDATE_SCHEDULE],
  deleteSchedule: ["end", DELETE_SCHEDULE],
  getSchedule: ["read", GET_SCHEDULE],
  listSchedules: ["read", LIST_SCHEDULES],
  update: ["end", UPDATE_QUEUE],
  pause: ["end", PAUSE_QUEUE],
  purge: ["end", PURGE],
  beginDelete: ["end", BEGIN_DELETE],
  continueDelete: ["end", CONTINUE_DELETE],
  sweep: ["end", SWEEP],
  trim: ["end", TRIM],
} as const;

/**
 * Scripts whose answer Redis remembers until this server has it: after a lost answer, a repeat gets the same one. The others
 * change nothing when they are repeated.
 */
const REMEMBERED: ReadonlySet<ScriptName> = new Set<ScriptName>([
  ...(["enqueue", "complete", "completeFull", "fail", "release", "cancel", "run", "replay", "remove", "act"] as const),
  ...(["purge", "create", "beginDelete", "revise", "revisePayload"] as const),
  ...(["enqueueUnique", "fire", "createSchedule", "updateSchedule", "enlargeSchedule", "deleteSchedule"] as const),
]);

/** A job that is examined counts as so many bytes: what Redis does not take longer for. */
const BYTES_OF_EXAMINED = 8 << 10;

/** Scripts whose caller goes on by itself, so that what they say is due is due for the other servers only. */
const OWN_PACE: ReadonlySet<string> = new Set(["sweep", "beginDelete", "continueDelete"]);

/** The scripts that run on one queue. */
export type ScriptName = keyof typeof BODIES;

/** Builds the scripts. `luaClock`: Lua that returns the time; `features`: those that this server knows. */
export function createScripts(luaClock: string, features: readonly string[]): Readonly<Record<ScriptName, Script>> {
  const entries = Object.entries(BODIES).map(([name, [kind, body, lean]]) => {
    return [name, queueScript(kind, body, luaClock, features, lean)];
  });
  return Object.fromEntries(entries) as Record<ScriptName, Script>;
}

/** Settings that are passed to the scripts. */
export interface ScriptSettings extends BackendOptions {
  readonly changeLogSize: number;
}

/** Answer of a script: the time of Redis, ms since 1970, and the part that is its own. */
export interface Answer {
  readonly now: number;
  readonly rest: readonly Reply[];
}

/** Dependencies of the queue calls. */
export interface QueueCallsDeps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly observer: StoreObserver;
  readonly ready: ReadyNotices;
  readonly dueTimes: DueTimes;
  readonly storeTimes: StoreTimes;
  readonly settings: ScriptSettings;
  readonly scripts: Readonly<Record<ScriptName, Script>>;
  readonly refused: RefusedQueues;
  /** Random name of this server, unique among all servers. */
  readonly self: string;
}

/** Runs the scripts of queues, with the arguments all of them take, and notes what every answer tells. */
export class QueueCalls {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #scripts: Readonly<Record<ScriptName, Script>>;
  readonly #refused: RefusedQueues;
  readonly #common: readonly Arg[];
  /** The channel; behind it what PUBLISH needs to leave out messages that nobody else would hear. */
  #channels: string;
  readonly #ready: ReadyNotices;
  readonly #dueTimes: DueTimes;
  readonly #storeTimes: StoreTimes;
  /** Called with the position of a log after a call that changed something. */
  changed: ((queue: string, position: number) => void) | undefined;
  /** Called with each message that came with an answer, as nobody else would have heard it. */
  untold: ((message: string) => void) | undefined;
  readonly memos = new MemoSlots();
  readonly #gates: ByteGates;
  /** For scripts that examine many jobs: an ordinary call is not behind more than about two of the longest. */
  readonly #scans: ByteGates;
  readonly #self: string;
  readonly #clock: Clock;
  readonly #observer: StoreObserver;
  #pending = 0;

  constructor(deps: QueueCallsDeps) {
    const { connection, keys, ready, dueTimes, storeTimes, settings, scripts, refused, self } = deps;
    this.#self = self;
    this.#clock = deps.clock;
    this.#observer = deps.observer;
    this.#storeTimes = storeTimes;
    this.#connection = connection;
    this.#gates = new ByteGates(connection.hasNodes);
    this.#scans = new ByteGates(connection.hasNodes);
    this.#keys = keys;
    this.#ready = ready;
    this.#dueTimes = dueTimes;
    this.#scripts = scripts;
    this.#refused = refused;
    const { changeLogSize, completeJobTtlMs, maxCompletedJobs, maxCompletedBytes } = settings;
    this.#channels = keys.channel;
    this.#common = [changeLogSize, completeJobTtlMs, `${maxCompletedJobs} ${maxCompletedBytes}`];
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether the backend has been stopped. */
  get isStopped(): boolean {
    return this.#connection.isStopped;
  }

  /**
   * Runs a script. `memo`: where Redis is to remember its answer, also from one call to the next; the caller releases it. Default:
   * a place for this call, if the script has an answer to remember. `callers`: how many operations share the call; default: one.
   * `examines`: jobs that a script looks at, if they are what it takes its time for; it waits until it is its turn among these.
   * UPGRADE_REQUIRED when the queue needs a feature that this server does not know. */
  call(
    name: ScriptName,
    queue: string,
    args: readonly Arg[],
    {
      memo: own,
      callers = 1,
      examines,
    }: { readonly memo?: Memo | undefined; readonly callers?: number; readonly examines?: number } = {},
  ): Promise<Answer> {
    const memo = own ?? (REMEMBERED.has(name) ? this.memos.take(queue) : undefined);
    const whom = () => {
      if (memo === undefined) return queue;
      const isAgain = memo.isSent;
      memo.isSent = true;
      return `${queue} ${this.#self}.${memo.slot} ${memo.call} ${isAgain ? 1 : 0}`;
    };
    const ended = () => {
      this.#pending--;
      if (memo !== undefined && memo !== own) this.memos.release(queue, memo);
    };
    const sentAt = this.#clock.monotonic();
    const send = (tell: () => number | string) => {
      const all = () => [whom(), this.#channels, ...this.#common, tell(), ...args];
      return this.#connection.script(this.#scripts[name], [this.#keys.queue(queue)], all, this.#arrived);
    };
    const ask = () => this.#storeTimes.ask(queue, send);
    this.#pending++;
    const answer =
      examines === undefined
        ? this.#gates.pass(queue, bytesOf(args), ask)
        : this.#scans.pass(queue, examines * BYTES_OF_EXAMINED, ask);
    return answer.then(
      (reply) => {
        ended();
        this.#observer.called(name, (this.#clock.monotonic() - sentAt) / 1000, callers);
        return this.#answered(name, queue, reply);
      },
      (error) => {
        ended();
        const translated = this.#refused.translate(queue, error);
        const fault = faultOf(translated);
        if (fault !== undefined) this.#observer.failed(name, fault);
        throw translated;
      },
    );
  }

  /** Notes what an answer tells. */
  #answered(name: ScriptName, queue: string, [now, position, dueInMs, rest, , ready]: ScriptReply): Answer {
    this.#refused.forget(queue);
    if (!OWN_PACE.has(name) && dueInMs >= 0) this.#dueTimes.add(queue, dueInMs);
    if (position > 0) this.changed?.(queue, position);
    // A sweep tells all that is ready by itself.
    if (ready !== undefined && name !== "sweep") this.#ready.answered(queue, position, text(ready));
    return { now, rest };
  }

  /** This server hears a channel of its own, so that messages for it alone come with the answers; undefined: they are all published. */
  hearsOwn(channel: string | undefined): void {
    const { channel: all, nodes } = this.#keys;
    this.#channels = channel === undefined ? all : `${all} ${channel} ${nodes}`;
  }

  readonly #arrived = (reply: Reply): void => {
    const [, , , rest, , , untold] = reply as unknown as ScriptReply;
    if (untold !== undefined) this.untold?.(text(typeof untold === "number" ? rest[untold - 1] : untold));
  };

  /** Forgets how the time of a deleted queue stood. */
  forgetTime(queue: string): void {
    this.#storeTimes.forget(queue);
  }
}

/** A bulk string of an answer as text. */
export function text(reply: Reply | undefined): string {
  return reply instanceof Buffer ? reply.toString() : String(reply ?? "");
}

/** What kind of fault an error of a call is; undefined: the queue refused it. */
function faultOf(error: unknown): StoreFault | undefined {
  if (!(error instanceof TaskQueueError)) return "other";
  if (error.reason === "BACKEND_UNAVAILABLE") return "unavailable";
  return error.reason === "QUEUE_FULL" ? "full" : undefined;
}
