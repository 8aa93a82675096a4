import type { WorkerInfo } from "../../core/remote/worker-info.js";
import type { Refusal } from "../log/tell-problems.js";
import type { PagePart } from "../metrics/merge-pages.js";

/** The argument of a serving process, as JSON. */
export interface ServingArgument {
  /** Which one it is, from 0 on. */
  readonly index: number;
  readonly processes: number;
  /** When the first process of the server started, ms since 1970. */
  readonly startedAt: number;
  /** Where the store process listens. Not there: a Redis keeps the jobs. */
  readonly sharedStore?: string;
}

/** The argument of the store process, as JSON. */
export interface StoreArgument {
  /** Where it is to listen. */
  readonly path: string;
  /** How many processes it serves. */
  readonly servers: number;
}

/** What a serving process that has started tells of itself. */
export interface ServingStart {
  /** What keeps its jobs: `redis`. */
  readonly backend: string;
  /** Types of the handlers of HANDLERS; undefined: the built-in ones. */
  readonly handlers: readonly string[] | undefined;
}

/** What the processes ask each other for, and what is answered. */
export interface Told {
  /** The metrics of the process that answers; of the primary: those of all. */
  readonly page: PagePart;
  /** The workers of the process that answers; of the primary: those of all but the process that asks. */
  readonly workers: readonly WorkerInfo[];
}

/** Each of them. */
export type Question = keyof Told;

/** A question, in both directions. `ask` is its number. */
export interface Asking {
  readonly kind: "ask";
  readonly ask: number;
  readonly what: Question;
}

/** The answer to a question; undefined: there is none. */
export interface Answering {
  readonly kind: "answer";
  readonly ask: number;
  readonly value: Told[Question] | undefined;
}

/** A process cannot start, and why. */
export interface Refusing extends Refusal {
  readonly kind: "refused";
}

/** What the store process tells the primary. */
export type FromStore = Answering | Refusing;

/** What the primary tells the store process. */
export type ToStore = Asking;

/** What a serving process tells the primary. */
export type FromServing =
  | Asking
  | Answering
  | Refusing
  /** It serves: connections may come. */
  | { readonly kind: "serving"; readonly start: ServingStart }
  /** It can take connections now: the answer to an offer. */
  | { readonly kind: "willing" }
  /** These connections have closed. */
  | { readonly kind: "closed"; readonly connections: readonly number[] }
  /** It wants no more connections, as it is about to end. `dealt` answers that. */
  | { readonly kind: "closing" }
  /** Whether it can reach what keeps the jobs. */
  | { readonly kind: "available"; readonly isAvailable: boolean };

/** What the primary tells a serving process. */
export type ToServing =
  | Asking
  | Answering
  /** There are connections to be dealt. `willing` answers that. */
  | { readonly kind: "offer" }
  /** What keeps the jobs has ended for good: at its end, it need not wait for anything. */
  | { readonly kind: "lost" }
  /** A connection, under a number of its own; its socket comes with the message. */
  | { readonly kind: "connection"; readonly connection: number }
  /** It has been sent its last connection. */
  | { readonly kind: "dealt" }
  /** Whether all others that serve can reach what keeps the jobs. */
  | { readonly kind: "others"; readonly areAvailable: boolean };
