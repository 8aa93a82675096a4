import type { Change, ChangeBatch, ChangePage } from "../../../core/port/changes.js";
import { readChange } from "../codec/changes.js";
import type { NoticeOf } from "../codec/messages.js";

/** What the listener was told of the change log, as numbers of this server and of the store, and as a cursor. */
export class ToldChanges {
  /** Number of the batch that was told last here. */
  #number = 0;
  /** The store's number of the last batch that the listener knows of, and the cursor behind it; undefined while it may miss some. */
  #store: { readonly number: number; readonly cursor: string | undefined } | undefined;

  /** The cursor behind what was told; undefined while something may be missing. */
  get cursor(): string | undefined {
    return this.#store?.cursor;
  }

  /** From now on something may be missing. */
  interrupt(): void {
    this.#store = undefined;
  }

  /** What is followed was told up to here: nothing is missing. */
  until([, , number, cursor]: NoticeOf<"told">): void {
    this.#store = { number, cursor: cursor ?? undefined };
  }

  /** The batch to tell of these changes of the log. */
  all([, , number, written, cursors]: NoticeOf<"changes">): ChangeBatch {
    const isKnown = this.#store !== undefined;
    if (isKnown) this.#store = { number, cursor: cursors.at(-1) };
    let changes: readonly Change[] | undefined;
    return {
      number: ++this.#number,
      concernsWorkers: true,
      get changes() {
        changes ??= written.map(readChange);
        return changes;
      },
      cursor: (count) => (isKnown ? cursors[count] : undefined),
    };
  }

  /** The batch to tell of a change that is nothing that is followed of the log. */
  one([, , written]: NoticeOf<"concerns">): ChangeBatch {
    return {
      number: this.#number,
      concernsWorkers: true,
      changes: [readChange(written)],
      cursor: () => undefined,
    };
  }

  /** A page that was read just now, with the number that it has here. */
  page(page: ChangePage): ChangePage {
    const isAtEnd = page.told !== undefined && page.told === this.#store?.number;
    return { ...page, told: isAtEnd ? this.#number : undefined };
  }
}
