import type { Clock, Timer } from "../../core/clock.js";
import type { Answering, Asking, Question, Told } from "./messages.js";

/** How long an answer is waited for, ms: a process that stands still must not keep the others from answering. */
const ANSWER_MS = 3000;

interface Open {
  readonly answered: (value: Told[Question] | undefined) => void;
  readonly timer: Timer;
}

/** The questions of one process to another one that have no answer yet. */
export class Questions {
  readonly #clock: Clock;
  readonly #send: (message: Asking) => void;
  readonly #waitMs: number;
  readonly #open = new Map<number, Open>();
  #last = 0;

  /** `waitMs`: how long an answer is waited for. */
  constructor(clock: Clock, send: (message: Asking) => void, waitMs = ANSWER_MS) {
    this.#clock = clock;
    this.#send = send;
    this.#waitMs = waitMs;
  }

  /** Asks. Resolves to the answer; to undefined when there is none, or none in time. */
  ask<Q extends Question>(what: Q): Promise<Told[Q] | undefined> {
    const ask = ++this.#last;
    return new Promise((resolve) => {
      const answered = (value: Told[Question] | undefined) => {
        this.#open.delete(ask);
        timer.cancel();
        resolve(value as Told[Q] | undefined);
      };
      const timer = this.#clock.setTimer(this.#waitMs, () => answered(undefined));
      this.#open.set(ask, { answered, timer });
      this.#send({ kind: "ask", ask, what });
    });
  }

  /** Hears an answer. One that comes too late is for nobody. */
  hear({ ask, value }: Answering): void {
    this.#open.get(ask)?.answered(value);
  }

  /** Answers all with nothing: who was asked has ended. */
  drop(): void {
    for (const { answered } of [...this.#open.values()]) answered(undefined);
  }
}

/** Answers a question; with nothing when that fails. `failed` hears why. */
export async function answer(
  { ask, what }: Asking,
  tell: { readonly [Q in Question]: () => Promise<Told[Q] | undefined> },
  send: (message: Answering) => void,
  failed: (error: unknown) => void,
): Promise<void> {
  let value: Told[Question] | undefined;
  try {
    value = await tell[what]();
  } catch (error) {
    failed(error);
  }
  send({ kind: "answer", ask, value });
}
