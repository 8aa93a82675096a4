/**
 * How a server shares its slots between queues. A turn begins at one queue and goes on to the others while there are
 * free slots; an empty queue does not use a turn up.
 *
 * - round-robin: all alike; each turn starts one queue after the one that the turn before began with.
 * - weighted: queues begin turns in proportion to their weights (smooth weighted round-robin, as nginx).
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
  /** All queues in the order of this turn. */
  next(): readonly string[];
  /** The turn is over: this queue gave the first job. Not called when none had any. */
  served(queue: string): void;
}

/** Makes a selector of this policy. */
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
    // The queue whose turn it was goes on having it, wherever it stands now.
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
      // What a queue saves up while it is empty, and the others owe it, must not shut them out later.
      this.#credit.set(name, Math.max(-total, Math.min(credit, total)));
    }
  }

  #creditOf(name: string): number {
    return this.#credit.get(name) ?? 0;
  }
}

class StrictSelector implements QueueSelector {
  /** One for each weight, the highest first. */
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
