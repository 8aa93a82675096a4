import type { Clock, Timer } from "../core/clock.js";
import { QueuePatterns } from "../model/queue/queue-patterns.js";
import type { Scope } from "./scopes.js";

/** Who calls, and what it may do, as an `Authorizer` tells it. */
export interface Caller {
  /** For people: in errors, logs and GetServerInfo. 1 to 64 characters. Callers of one name share their limit of streams. */
  readonly name: string;
  /** What it may do: at least one. */
  readonly scopes: readonly Scope[];
  /** The queues that it may reach, by name or as `prefix*`: at least one. Undefined: every queue. */
  readonly queues?: readonly string[] | undefined;
  /** When that ends: a Date, or ms since 1970. Undefined: never. */
  readonly endsAt?: Date | number | undefined;
}

/** How often the wall clock is looked at while a call waits for an end date, ms: it may be set meanwhile. */
const LOOK_MS = 60_000;

/** A caller that was let in. Its rights may end while its calls are under way. */
export class Admitted {
  readonly name: string;
  /** Its scopes as they were given. */
  readonly scopes: readonly Scope[];
  /** The queues that it may reach; undefined: every queue. */
  readonly queues: QueuePatterns | undefined;
  /** When its rights end, ms since 1970. */
  readonly endsAt: number | undefined;
  readonly #scopes: ReadonlySet<Scope>;
  readonly #listeners = new Set<() => void>();
  readonly #clock: Clock | undefined;
  #timer: Timer | undefined;
  #hasEnded = false;

  /** Without a clock it does not see when `endsAt` passes. */
  constructor({ name, scopes, queues, endsAt }: Caller, clock?: Clock) {
    this.#clock = clock;
    this.name = name;
    this.scopes = scopes;
    this.#scopes = new Set(scopes.includes("admin") ? [...scopes, "read", "produce", "work"] : scopes);
    this.queues = queues?.includes("*") === false ? new QueuePatterns(queues) : undefined;
    this.endsAt = endsAt instanceof Date ? endsAt.getTime() : endsAt;
  }

  /** Whether it may do what needs this scope. */
  may(scope: Scope): boolean {
    return this.#scopes.has(scope);
  }

  /** Whether it lost its rights: its token was taken away, changed, or is over. */
  get hasEnded(): boolean {
    return (
      this.#hasEnded || (this.endsAt !== undefined && this.#clock !== undefined && this.#clock.now() >= this.endsAt)
    );
  }

  /** Calls `ended` once when its rights end, at once if they have, until the returned function is called. */
  whenEnded(ended: () => void): () => void {
    if (this.hasEnded) {
      ended();
      return () => {};
    }
    this.#listeners.add(ended);
    this.#wait();
    return () => {
      this.#listeners.delete(ended);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  #wait(): void {
    if (this.endsAt === undefined || this.#clock === undefined || this.#timer !== undefined) return;
    const leftMs = Math.max(0, this.endsAt - this.#clock.now());
    this.#timer = this.#clock.setTimer(Math.min(leftMs, LOOK_MS), () => {
      this.#timer = undefined;
      if (this.hasEnded) this.end();
      else this.#wait();
    });
  }

  /** Ends its rights: calls under way are told. Idempotent. */
  end(): void {
    this.#hasEnded = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}

/** Whoever calls a server that asks for no token: everything is allowed. */
export const ANYBODY = new Admitted({ name: "", scopes: ["admin"] });

/** Whoever calls what is open, of a server that asks for tokens. All of them are one caller, as far as limits go. */
export const STRANGER = new Admitted({ name: "", scopes: [] });
