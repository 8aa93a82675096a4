import type { Feed } from "../core/watch/feed.js";

/** The messages of a watch feed. Each message is built from its event only when the client has room for it. */
export class MessageFeed<T extends object, M> implements AsyncIterable<M> {
  constructor(
    readonly feed: Feed<T>,
    readonly toMessage: (event: T) => M,
  ) {}

  // Not a generator: `return` of a generator that waits for an event would wait for that event too.
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
