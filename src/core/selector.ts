/**
 * How a server shares its slots between queues.
 *
 * - round-robin: all alike; each turn starts one queue further.
 * - weighted: each turn starts at a queue chosen in proportion to the weights (smooth weighted round-robin, as nginx).
 * - strict: by weight, highest first; a lower one only when all higher are empty; equal ones take turns.
 */
export type QueuePolicy = "round-robin" | "weighted" | "strict";

/** All policies. */
export const QUEUE_POLICIES: readonly QueuePolicy[] = ["round-robin", "weighted", "strict"];

/** A queue as the selector sees it. */
export interface SelectorQueue {
  readonly name: string;
  readonly weight: number;
}

/** Decides in which order queues are asked for jobs. */
export interface QueueSelector {
  /** Takes the queues there are now. Turns go on where they were. */
  update(queues: readonly SelectorQueue[]): void;
  /** All queues in the order of this turn; each call is a turn. */
  next(): readonly string[];
}

/** Makes a selector of this policy. */
export function createQueueSelector(policy: QueuePolicy): QueueSelector {
  if (policy === "strict") return new StrictSelector();
  return policy === "weighted" ? new WeightedSelector() : new RoundRobinSelector();
}

class RoundRobinSelector implements QueueSelector {
  #names: readonly string[] = [];
  #turn = 0;

  update(queues: readonly SelectorQueue[]): void {
    this.#names = queues.map((queue) => queue.name);
  }

  next(): readonly string[] {
    return rotated(this.#names, this.#turn++);
  }
}

class WeightedSelector implements QueueSelector {
  #queues: readonly SelectorQueue[] = [];
  #credit = new Map<string, number>();

  update(queues: readonly SelectorQueue[]): void {
    this.#queues = queues;
    this.#credit = new Map(queues.map(({ name }) => [name, this.#credit.get(name) ?? 0]));
  }

  // Every queue gains its weight; the richest goes first and pays the sum of all weights.
  next(): readonly string[] {
    let total = 0;
    for (const { name, weight } of this.#queues) {
      total += weight;
      this.#credit.set(name, (this.#credit.get(name) ?? 0) + weight);
    }
    const credit = (queue: SelectorQueue) => this.#credit.get(queue.name) ?? 0;
    const order = [...this.#queues].sort((a, b) => credit(b) - credit(a));
    const first = order[0];
    if (first !== undefined) this.#credit.set(first.name, credit(first) - total);
    return order.map((queue) => queue.name);
  }
}

class StrictSelector implements QueueSelector {
  #groups: readonly (readonly string[])[] = [];
  #turn = 0;

  update(queues: readonly SelectorQueue[]): void {
    const byWeight = new Map<number, string[]>();
    for (const { name, weight } of queues) byWeight.set(weight, [...(byWeight.get(weight) ?? []), name]);
    this.#groups = [...byWeight].sort(([a], [b]) => b - a).map(([, names]) => names);
  }

  next(): readonly string[] {
    const turn = this.#turn++;
    return this.#groups.flatMap((names) => rotated(names, turn));
  }
}

function rotated(names: readonly string[], turn: number): readonly string[] {
  if (names.length < 2) return names;
  const at = turn % names.length;
  return [...names.slice(at), ...names.slice(0, at)];
}
