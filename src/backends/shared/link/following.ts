import type { Followed } from "../../../core/port/changes.js";
import { type WrittenFollowed, writeFollowed } from "../codec/followed.js";

/** What this server follows: it says so again on each connection. */
export class Following {
  readonly #all = new Map<string, WrittenFollowed>();
  #logs = 0;

  /** Whether it follows something of the change log. */
  get isOnLog(): boolean {
    return this.#logs > 0;
  }

  get all(): readonly WrittenFollowed[] {
    return [...this.#all.values()];
  }

  /** Notes it; returns what the store is to be told. */
  set(followed: Followed, isFollowed: boolean): WrittenFollowed {
    const written = writeFollowed(followed, isFollowed);
    const [kind, name] = written;
    const key = `${kind} ${name ?? "*"}`;
    const before = this.#all.size;
    if (isFollowed) this.#all.set(key, written);
    else this.#all.delete(key);
    if (followed.of === "changes") this.#logs += this.#all.size - before;
    return written;
  }
}
