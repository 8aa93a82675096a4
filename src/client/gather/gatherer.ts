import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { TaskQueueError } from "../../model/common/errors.js";
import { MAX_TIMER_MS } from "../../model/process/long-timer.js";
import { toTaskQueueError } from "../convert/errors.js";
import { REPEATABLE } from "../repeatable.js";
import type { CallHeaders } from "../token.js";
import { GatherLine } from "./gather-line.js";
import type { GatherTiming } from "./gather-timing.js";
import { copyOf, incomplete, isOfEveryItem, isWithoutBatches } from "./shared-errors.js";
import { type Flight, type GatherCall, WaitingCall } from "./waiting-call.js";

/** For how long calls go alone after a server had no call for several items, ms: then it may have been upgraded. */
const OFF_MS = 60_000;

/** The calls that a gatherer makes. */
export interface GatherCalls<I, O> {
  /** Makes the call for one item. */
  one(item: I, options: CallOptions): Promise<O>;
  /**
   * Makes one call for several items, with the headers that they have in common. Resolves to what each of them would have been
   * answered alone, or the error that it would have met, in order. What it does not answer is asked for again, in calls for as many
   * items as it did answer.
   */
  many(items: readonly I[], options: CallOptions): Promise<readonly (O | TaskQueueError)[]>;
}

/**
 * Makes one call of several that are under way together. A call that is alone is made as it is, at once. Those of one turn of the
 * event loop go together, and so do those that come while a call is in flight: see `GatherLine`. Together go only those with equal
 * headers.
 *
 * Each caller has its own answer, or its own error. What the server refuses as a whole, though it may be due to one item, is asked
 * for again item by item.
 */
export class Gatherer<I, O> {
  readonly #calls: GatherCalls<I, O>;
  readonly #timing: GatherTiming;
  /** By headers. Each is kept only while it has work: there may be many, one after the other. */
  readonly #lines = new Map<string, GatherLine<WaitingCall<I, O>>>();
  /** Until when calls go alone, ms on the monotonic clock. */
  #offUntil = 0;

  constructor(calls: GatherCalls<I, O>, timing: GatherTiming) {
    this.#calls = calls;
    this.#timing = timing;
  }

  /** Number of different headers that calls are under way with. */
  get size(): number {
    return this.#lines.size;
  }

  /** Makes a call. Resolves to its own answer; rejects with its own error, or the reason of its signal. */
  add(call: GatherCall<I>, headers: CallHeaders | undefined): Promise<O> {
    return new Promise((resolve, reject) => {
      const now = this.#timing.now();
      const waiting = new WaitingCall(call, now, resolve, reject);
      if (now < this.#offUntil) void this.#alone(waiting);
      else this.#lineOf(headers).add(waiting);
    });
  }

  #lineOf(headers: CallHeaders | undefined): GatherLine<WaitingCall<I, O>> {
    const key = headers === undefined ? "" : JSON.stringify(headers);
    let line = this.#lines.get(key);
    if (line === undefined) {
      // As they are now: whoever gave them may change them.
      const own = headers && { ...headers };
      line = new GatherLine({
        timing: this.#timing,
        send: (batch) => this.#send(batch, own),
        idle: () => this.#lines.delete(key),
      });
      this.#lines.set(key, line);
    }
    return line;
  }

  async #alone(call: WaitingCall<I, O>): Promise<void> {
    const { item, deadline, signal } = call;
    try {
      const options = { contextValues: REPEATABLE, timeoutMs: this.#left(deadline), ...(signal && { signal }) };
      call.resolve(await this.#calls.one(item, options));
    } catch (error) {
      call.reject(error);
    }
  }

  async #together(batch: readonly WaitingCall<I, O>[], headers: CallHeaders | undefined): Promise<void> {
    const flight = flightOf(batch);
    const options = {
      contextValues: REPEATABLE,
      // The longest deadline: an earlier one was not over when the server was asked.
      timeoutMs: this.#left(Math.max(...batch.map(({ deadline }) => deadline))),
      ...(headers && { headers }),
      ...(flight && { signal: flight.controller.signal }),
    };
    const items = batch.map(({ item }) => item);
    let answers: readonly (O | TaskQueueError)[];
    try {
      answers = await this.#calls.many(items, options);
    } catch (thrown) {
      const error = toTaskQueueError(thrown);
      if (isWithoutBatches(error)) this.#offUntil = this.#timing.now() + OFF_MS;
      // What is no answer and no broken connection comes from an item that no message can carry.
      const isSent = thrown instanceof ConnectError || thrown instanceof TaskQueueError;
      if (isSent && isOfEveryItem(error)) for (const call of batch) call.reject(copyOf(error));
      else await Promise.all(batch.map((call) => (call.isOver ? undefined : this.#alone(call))));
      return;
    }
    for (const [index, answer] of answers.entries()) {
      const call = batch[index];
      if (answer instanceof TaskQueueError) call?.reject(answer);
      else call?.resolve(answer);
    }
    if (answers.length < batch.length) await this.#askAgain(batch.slice(answers.length), answers.length, headers);
  }

  /** Asks for what an answer had no room for, or gives up when it had none at all. */
  async #askAgain(rest: readonly WaitingCall<I, O>[], size: number, headers: CallHeaders | undefined): Promise<void> {
    const waiting = rest.filter(({ isOver }) => !isOver);
    const calls: Promise<void>[] = [];
    if (size === 0) for (const call of waiting) call.reject(incomplete());
    else
      for (let at = 0; at < waiting.length; at += size) calls.push(this.#send(waiting.slice(at, at + size), headers));
    await Promise.all(calls);
  }

  #send(batch: readonly WaitingCall<I, O>[], headers: CallHeaders | undefined): Promise<void> {
    const [only] = batch;
    return batch.length === 1 && only !== undefined ? this.#alone(only) : this.#together(batch, headers);
  }

  /** How long a call may take until then, in whole ms. */
  #left(deadline: number): number {
    return Math.min(Math.max(1, Math.round(deadline - this.#timing.now())), MAX_TIMER_MS);
  }
}

/** What ends a call when none of its callers waits for it any more; undefined: one of them waits as long as it takes. */
function flightOf<I, O>(batch: readonly WaitingCall<I, O>[]): Flight | undefined {
  if (!batch.every(({ signal }) => signal !== undefined)) return undefined;
  const flight = { waiting: batch.length, controller: new AbortController() };
  for (const call of batch) call.flight = flight;
  return flight;
}
