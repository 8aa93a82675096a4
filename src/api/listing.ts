/** One page of a listing. It may have fewer entries than asked for, even none, and not be the last. */
export interface Page<T> {
  readonly items: readonly T[];
  /** `pageToken` of the query for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/**
 * What a query finds, from its `pageToken` on. Nothing is read before it is asked for:
 *
 * ```ts
 * for await (const job of queue.list({ type: "email" })) console.log(job.id);
 * const { items, nextPageToken } = await queue.list({ pageSize: 20 }).page();
 * ```
 *
 * Each use reads anew. Reads page by page, the next page when the entries of the last one are used up.
 */
export interface Listing<T> extends AsyncIterable<T> {
  /** Reads the first page only. */
  page(): Promise<Page<T>>;
  /** Reads page by page up to the end. */
  pages(): AsyncIterable<Page<T>>;
}

/**
 * Creates a listing.
 *
 * @param read reads the page that begins with this token
 */
export function createListing<T>(first: string | undefined, read: (pageToken: string) => Promise<Page<T>>): Listing<T> {
  async function* pages(): AsyncGenerator<Page<T>> {
    for (let token = first ?? ""; ; ) {
      const page = await read(token);
      yield page;
      token = page.nextPageToken;
      if (token === "") return;
    }
  }
  return {
    page: () => read(first ?? ""),
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { items } of pages()) yield* items;
    },
  };
}
