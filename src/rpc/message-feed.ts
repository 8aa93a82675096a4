import type { Feed } from "../core/watch/feed.js";

/** The messages of a feed: each is made of its event when a reader has room for it. */
export class MessageFeed<T extends object, M> implements AsyncIterable<M> {
  constructor(
    readonly feed: Feed<T>,
    readonly toMessage: (event: T) => M,
  ) {}

  // No generator: one that waits for an event cannot be left.
  [Symbol.asyncIterator](): AsyncIterator<M, undefined> {
    const { feed, toMessage } = this;
    return {
      async next() {
        const result = await feed.next();
        return result.done === true ? result : { done: false, value: toMessage(result.value) };
      },
      async return() {
        feed.close();
        return { done: true, value: undefined };
      },
    };
  }
}
