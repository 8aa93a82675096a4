import type { Backend, BackendListener } from "../../../src/core/backend.js";
import type { ChangeBatch } from "../../../src/core/port/changes.js";

/** An operation of a backend. */
export type Operation = Exclude<keyof Backend, "kind" | "durable">;

/** Wraps a call of the real operation: may run it, wait, run it later, or throw. */
export type Fault = (run: () => Promise<unknown>, args: readonly unknown[]) => Promise<unknown>;

/** Makes operations of a real backend fail or wait on purpose. */
export class Faults {
  readonly #faults = new Map<Operation, Fault>();
  readonly #calls = new Map<Operation, number>();
  #held: ChangeBatch[] | undefined;
  #listener: BackendListener | undefined;

  /** From now on, calls of this operation go through `fault`. */
  set(operation: Operation, fault: Fault): void {
    this.#faults.set(operation, fault);
  }

  /** From now on, these operations fail without doing anything. */
  fail(...operations: Operation[]): void {
    for (const operation of operations) {
      this.set(operation, async () => {
        throw new Error(`${operation}: the backend is away`);
      });
    }
  }

  /** From now on, these operations work again. */
  clear(...operations: Operation[]): void {
    for (const operation of operations) this.#faults.delete(operation);
  }

  /** How often an operation was called, whether it failed or not. */
  calls(operation: Operation): number {
    return this.#calls.get(operation) ?? 0;
  }

  /** From now on, changes are not reported before `releaseChanges`. */
  holdChanges(): void {
    this.#held ??= [];
  }

  /** Reports the changes that were held back, in order, and further changes without delay. */
  releaseChanges(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const batch of held) this.#listener?.changes(batch);
  }

  /** Reports that changes may have been missed. */
  resync(): void {
    this.#listener?.resync();
  }

  /** Reports that changes may come late: watchers read the log until they are up to date again. */
  interrupt(): void {
    this.#listener?.interrupted();
  }

  /** Returns the backend with these faults. */
  wrap(backend: Backend): Backend {
    return new Proxy(backend, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        const operation = name as Operation;
        return (...args: unknown[]) => {
          const given = operation === "start" ? [this.#listen(args[0] as BackendListener)] : args;
          return this.#run(operation, given, () => Reflect.apply(member, target, given) as Promise<unknown>);
        };
      },
    });
  }

  #run(operation: Operation, args: readonly unknown[], run: () => Promise<unknown>): Promise<unknown> {
    this.#calls.set(operation, this.calls(operation) + 1);
    const fault = this.#faults.get(operation);
    return fault === undefined ? run() : fault(run, args);
  }

  #listen(listener: BackendListener): BackendListener {
    this.#listener = listener;
    return {
      ready: (queue, types) => listener.ready(queue, types),
      due: (inMs) => listener.due(inMs),
      queues: () => listener.queues(),
      emptied: () => listener.emptied(),
      available: (isAvailable) => listener.available(isAvailable),
      resync: () => listener.resync(),
      interrupted: () => listener.interrupted(),
      changes: (batch) => {
        if (this.#held === undefined) listener.changes(batch);
        else this.#held.push(batch);
      },
    };
  }
}
