import type { StoreObserver } from "../../../core/port/store-observer.js";
import { backendUnavailable, isUnavailable } from "../../../model/common/errors.js";
import { readError } from "../codec/errors.js";
import type { Answer, Request } from "../codec/messages.js";
import type { Gathered, Part } from "./gathered.js";

/** Most items, and most bytes beyond its first, of a call that several callers share. */
const SHARED_ITEMS = 1000;
const SHARED_BYTES = 4 * 2 ** 20;

/** Most bytes of one frame beyond its first call: what takes long to write or read holds up everything else. */
const FRAME_BYTES = 2 ** 20;

/** Most bytes of calls that wait to be sent. Beyond that the store is too busy for more. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;

/** What a call takes in a frame, about. */
const CALL_BYTES = 100;

/** A call that waits to be sent. */
interface Waiting {
  readonly method: string;
  /** How many callers share it. */
  readonly callers: () => number;
  /** Its arguments as frames have them. */
  readonly args: () => unknown;
  bytes: number;
  readonly open: Open | undefined;
}

/** A call that was sent, or will be, and is to be answered. */
interface Open {
  readonly settle: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Called in place of `settle` when its caller was told already that it failed. */
  readonly late: ((answer: unknown) => void) | undefined;
  sent: { readonly method: string; readonly callers: number; readonly at: number } | undefined;
}

/** What a caller does with the answer to a call. */
export interface Reading<R> {
  /** Reads it. What is called sooner than `then`: in the order of what the store says. */
  readonly read: (answer: never) => R;
  /** Called in its place when the caller was told that the call failed. */
  readonly late?: ((answer: never) => void) | undefined;
}

/** A call of several callers that is still to be sent. */
interface Group extends Waiting {
  readonly items: unknown[];
  readonly parts: Part<unknown, unknown>[];
}

/**
 * The calls of a server to the store: those that wait to be sent, and those that wait for their answers. What is called between two
 * frames travels in one; creates of several callers are one call there, and so are settlements of a kind.
 */
export class Calls {
  readonly #monotonic: () => number;
  readonly #observer: StoreObserver;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** By method: the calls that others may join. */
  readonly #groups = new Map<string, Group>();
  readonly #open = new Map<number, Open>();
  /** What is to be done with answers that come when their callers have given up. */
  readonly #late = new Map<number, (answer: unknown) => void>();
  #count = 0;

  constructor(monotonic: () => number, observer: StoreObserver) {
    this.#monotonic = monotonic;
    this.#observer = observer;
  }

  /** Whether something waits to be sent. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls that were not answered yet. */
  get pending(): number {
    return this.#waiting.length + this.#open.size;
  }

  /** When the oldest call that is not answered was sent, ms on the monotonic clock. */
  get oldest(): number | undefined {
    for (const { sent } of this.#open.values()) return sent?.at;
    return undefined;
  }

  /** Makes a call. `bytes`: about how many it takes beside those that each does. */
  call<R>(method: string, args: () => unknown, { read, late }: Reading<R>, bytes = 0): Promise<R> {
    return new Promise((resolve, reject) => {
      const settle = (answer: unknown) => resolve(read(answer as never));
      const open = { settle, reject, late: late as Open["late"], sent: undefined };
      this.#add({ method, callers: () => 1, args, bytes: CALL_BYTES + bytes, open });
    });
  }

  /**
   * Sends something that is not answered, in any case. What is called after it is sent after it; `isBeforeCalls`: but for what is
   * gathered, which may go with calls of before.
   */
  tell(method: string, args: unknown, isBeforeCalls = false): void {
    if (!isBeforeCalls) this.#groups.clear();
    this.#waiting.push({ method, callers: () => 1, args: () => args, bytes: 0, open: undefined });
  }

  /** Makes a call together with those of other callers. */
  gather<I, R>(kind: Gathered<I, R>, items: readonly I[]): Promise<readonly R[]> {
    let bytes = 0;
    for (const item of items) bytes += kind.bytesOf(item);
    return new Promise<readonly R[]>((resolve, reject) => {
      const part = { items, resolve, reject } as Part<unknown, unknown>;
      const group = this.#groups.get(kind.method);
      if (
        group !== undefined &&
        group.items.length + items.length <= SHARED_ITEMS &&
        group.bytes + bytes <= SHARED_BYTES &&
        this.#hasRoom(bytes)
      ) {
        group.parts.push(part);
        for (const item of items) group.items.push(item);
        group.bytes += bytes;
        this.#waitingBytes += bytes;
      } else this.#begin(kind as unknown as Gathered<unknown, unknown>, part, bytes);
    });
  }

  /** Takes the calls for the next frame. */
  take(): Request[] {
    const at = this.#monotonic();
    const requests: Request[] = [];
    let bytes = 0;
    this.#groups.clear();
    for (const { method, callers, args, bytes: more, open } of this.#waiting) {
      bytes += more;
      if (requests.length > 0 && bytes > FRAME_BYTES) break;
      this.#waitingBytes -= more;
      const call = open === undefined ? 0 : ++this.#count;
      if (open !== undefined) {
        open.sent = { method, callers: callers(), at };
        this.#open.set(call, open);
      }
      requests.push([call, method, args()]);
    }
    this.#waiting.splice(0, requests.length);
    return requests;
  }

  /** Takes an answer. */
  answered([call, result, error]: Answer): void {
    const open = this.#open.get(call);
    if (open === undefined) {
      const late = this.#late.get(call);
      this.#late.delete(call);
      if (error === undefined) late?.(result);
      return;
    }
    this.#open.delete(call);
    if (open.sent !== undefined) {
      const { method, callers, at } = open.sent;
      this.#observer.called(method, (this.#monotonic() - at) / 1000, callers);
    }
    if (error === undefined) {
      open.settle(result);
      return;
    }
    const failure = readError(error);
    if (isUnavailable(failure)) this.#observer.failed(open.sent?.method ?? "", "unavailable");
    open.reject(failure);
  }

  /** Tells everybody who waits that the store is away. `isOver`: what was sent will not be answered either. */
  fail(error: unknown, isOver: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#groups.clear();
    for (const { open } of waiting) open?.reject(error);
    const open = [...this.#open];
    this.#open.clear();
    for (const [call, { reject, late, sent }] of open) {
      if (late !== undefined) this.#late.set(call, late);
      this.#observer.failed(sent?.method ?? "", "unavailable");
      reject(error);
    }
    if (isOver) this.#late.clear();
  }

  #begin(kind: Gathered<unknown, unknown>, part: Part<unknown, unknown>, bytes: number): void {
    const items = [...part.items];
    const parts = [part];
    const group: Group = {
      ...{ method: kind.method, items, parts, bytes },
      callers: () => parts.length,
      args: () => [items.map(kind.write), ...(parts.length > 1 ? [parts.map((each) => each.items.length)] : [])],
      open: {
        settle: (answer) => kind.settle(parts, answer as never),
        reject(error) {
          for (const { reject } of parts) reject(error);
        },
        late: undefined,
        sent: undefined,
      },
    };
    if (this.#add(group)) this.#groups.set(kind.method, group);
  }

  #add(waiting: Waiting): boolean {
    if (!this.#hasRoom(waiting.bytes)) {
      waiting.open?.reject(backendUnavailable("the process that keeps the jobs is too busy"));
      return false;
    }
    this.#waiting.push(waiting);
    this.#waitingBytes += waiting.bytes;
    return true;
  }

  #hasRoom(bytes: number): boolean {
    return this.#waitingBytes === 0 || this.#waitingBytes + bytes <= MAX_WAITING_BYTES;
  }
}
