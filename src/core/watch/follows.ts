import type { Backend } from "../backend.js";
import type { ChangeFilter, Followed } from "../port/changes.js";

/** Counts who watches what, and tells the store of the first and of the last watcher of each. */
export class Follows {
  readonly #backend: Backend;
  readonly #counts = new Map<string, number>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Somebody watches this from now on. */
  add(followed: Followed): void {
    const key = keyOf(followed);
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    if (count === 0) this.#backend.follow(followed, true);
  }

  /** One of those that watch this does so no longer. */
  remove(followed: Followed): void {
    const key = keyOf(followed);
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else if (this.#counts.delete(key)) this.#backend.follow(followed, false);
  }
}

/** What watchers of these queues follow: each of them, or all. */
export function followedQueues(
  of: "changes" | "counts",
  { queues, within }: Pick<ChangeFilter, "queues" | "within">,
): readonly Followed[] {
  const names = queues ?? within?.names;
  return names === undefined ? [{ of, queue: undefined }] : [...names].map((queue) => ({ of, queue }));
}

function keyOf(followed: Followed): string {
  return followed.of === "job" ? followed.id : `${followed.of} ${followed.queue ?? "*"}`;
}
