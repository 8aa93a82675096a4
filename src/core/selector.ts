/**
 * How a server shares its slots between queues. One lease call is one turn: it asks the queues in a certain order until
 * its slots are filled. The turn belongs to the first queue that had a job; a queue with no ready job uses no turn up.
 *
 * - round-robin: all queues alike; a turn starts at the queue after the one that had the previous turn.
 * - weighted: queues get turns in proportion to their weights (smooth weighted round-robin, as in nginx).
 * - strict: highest weight first, a lower one only when all higher ones have no ready jobs; equal ones take turns.
 */
export type QueuePolicy = "round-robin" | "weighted" | "strict";

/** All policies. */
export const QUEUE_POLICIES: readonly QueuePolicy[] = ["round-robin", "weighted", "strict"];

/** A queue as the queue selector sees it. */
export interface SelectorQueue {
  readonly name: string;
  readonly weight: number;
}

/** Decides the order in which queues are asked for jobs. */
export interface QueueSelector {
  /** Replaces the set of queues. Turns continue where they were. */
  update(queues: readonly SelectorQueue[]): void;
  /** Returns all queues in the order of this turn. */
  next(): readonly string[];
  /** Ends the turn: the first leased job came from this queue. Not called if no job was leased. */
  served(queue: string): void;
}

/** Creates a selector for a policy. */
export function createQueueSelector(policy: QueuePolicy): QueueSelector {
  if (policy === "strict") return new StrictSelector();
  return policy === "weighted" ? new WeightedSelector() : new RoundRobinSelector();
}

class RoundRobinSelector implements QueueSelector {
  #names: readonly string[] = [];
  #start = 0;

  update(queues: readonly SelectorQueue[]): void {
    const start = this.#names[this.#start];
    this.#names = queues.map((queue) => queue.name);
    // The queue whose turn is next keeps it, whatever its index is now.
    const index = start === undefined ? -1 : this.#names.indexOf(start);
    this.#start = index >= 0 ? index : this.#start % Math.max(1, this.#names.length);
  }

  next(): readonly string[] {
    return [...this.#names.slice(this.#start), ...this.#names.slice(0, this.#start)];
  }

  served(queue: string): void {
    const index = this.#names.indexOf(queue);
    if (index >= 0) this.#start = (index + 1) % this.#names.length;
  }
}

class WeightedSelector implements QueueSelector {
  #queues: readonly SelectorQueue[] = [];
  #credit = new Map<string, number>();

  update(queues: readonly SelectorQueue[]): void {
    this.#queues = queues;
    this.#credit = new Map(queues.map(({ name }) => [name, this.#creditOf(name)]));
  }

  next(): readonly string[] {
    const claim = ({ name, weight }: SelectorQueue) => this.#creditOf(name) + weight;
    return [...this.#queues].sort((a, b) => claim(b) - claim(a)).map(({ name }) => name);
  }

  // Every queue gains its weight, and the one that was served pays the sum of all weights.
  served(queue: string): void {
    const total = this.#queues.reduce((sum, { weight }) => sum + weight, 0);
    for (const { name, weight } of this.#queues) {
      const credit = this.#creditOf(name) + weight - (name === queue ? total : 0);
      // Bounded, so that the credit an empty queue collects cannot shut the other queues out later.
      this.#credit.set(name, Math.max(-total, Math.min(credit, total)));
    }
  }

  #creditOf(name: string): number {
    return this.#credit.get(name) ?? 0;
  }
}

class StrictSelector implements QueueSelector {
  /** One group for each weight, highest weight first. */
  #groups: ReadonlyMap<number, RoundRobinSelector> = new Map();

  update(queues: readonly SelectorQueue[]): void {
    const weights = [...new Set(queues.map(({ weight }) => weight))].sort((a, b) => b - a);
    this.#groups = new Map(weights.map((weight) => [weight, this.#groups.get(weight) ?? new RoundRobinSelector()]));
    for (const [weight, group] of this.#groups) group.update(queues.filter((queue) => queue.weight === weight));
  }

  next(): readonly string[] {
    return [...this.#groups.values()].flatMap((group) => group.next());
  }

  served(queue: string): void {
    for (const group of this.#groups.values()) group.served(queue);
  }
}
