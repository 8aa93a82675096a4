import { shareNext } from "../../core/turns/share-next.js";
import { mergePages, type PagePart } from "../metrics/merge-pages.js";

/** Most characters that are kept of processes that have ended: names from users come and go with them. */
const MAX_GONE = 4_000_000;

/** Where the pages come from. */
export interface PageSource {
  /** The metrics of the primary itself. */
  own(): Promise<PagePart>;
  /** Has all processes tell their metrics. */
  read(): Promise<void>;
  /** What they told last. */
  parts(): readonly PagePart[];
}

/** The one metrics page of several processes. */
export interface PageOfAll {
  /** Makes the page. Calls that come meanwhile share the next one. */
  make(): Promise<string>;
  /** Keeps what a process that has ended had counted: a sum that fell would read as a restart, and all of it be counted again. */
  ended(part: PagePart): void;
}

/** Creates the page. `maxGone`: most characters that are kept of processes that have ended; beyond that they are forgotten. */
export function createPageOfAll(source: PageSource, maxGone = MAX_GONE): PageOfAll {
  const gone: PagePart[] = [];

  return {
    ended: (part) => void gone.push({ ...part, hasEnded: true }),
    make: shareNext(async () => {
      await source.read();
      const own = await source.own();
      // In one turn: a process that ends later must not be in both of them.
      const parts = [own, ...source.parts()];
      const ended = [...gone];
      const page = await mergePages([...parts, ...ended]);
      if (ended.length > 1) {
        const body = await mergePages(ended);
        gone.splice(0, ended.length, ...(body.length > maxGone ? [] : [{ body, across: {}, hasEnded: true }]));
      }
      return page;
    }),
  };
}
