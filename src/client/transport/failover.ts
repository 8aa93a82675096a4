import type { Transport } from "@connectrpc/connect";
import { isAborted, toTaskQueueError } from "../convert/errors.js";

/** Codes of calls for which the server that was asked may be at fault, and another one of the same store not. */
const AWAY: ReadonlySet<string> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

/** The URLs of a client. Throws a TypeError when there is none, and for what is no URL. */
export function urlsOf(url: string | readonly string[]): readonly string[] {
  const urls: unknown = typeof url === "string" ? [url] : url;
  // In JavaScript nothing else says so.
  if (!isTexts(urls)) throw new TypeError("url: must be text, or a list of texts");
  if (urls.length === 0) throw new TypeError("url: there must be at least one");
  return urls;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/**
 * A transport over several servers of one store. It uses one, the first to begin with, for all calls and streams, and goes on to the next,
 * after the last to the first, when a call finds the one in use away: it cannot be reached, drains, cannot reach its store, or does not
 * answer in time. Streams that are open stay where they are. The call itself fails; whoever made it repeats it if it is safe to.
 */
export function createFailover(transports: readonly Transport[]): Transport {
  const [only] = transports;
  if (only !== undefined && transports.length === 1) return only;
  let at = 0;
  const current = () => transports[at] as Transport;

  /** Several calls may find the same server away: the first of them leaves it. */
  function leaveIfAway(used: Transport, error: unknown, signal: AbortSignal | undefined): void {
    if (isAborted(signal) || used !== current()) return;
    if (AWAY.has(toTaskQueueError(error).code)) at = (at + 1) % transports.length;
  }

  return {
    async unary(method, signal, ...rest) {
      const used = current();
      try {
        return await used.unary(method, signal, ...rest);
      } catch (error) {
        leaveIfAway(used, error, signal);
        throw error;
      }
    },

    async stream(method, signal, ...rest) {
      const used = current();
      const watched = <T>(step: Promise<T>): Promise<T> =>
        step.catch((error) => {
          leaveIfAway(used, error, signal);
          throw error;
        });
      const response = await watched(used.stream(method, signal, ...rest));
      const messages = response.message;
      return {
        ...response,
        message: {
          [Symbol.asyncIterator]() {
            const iterator = messages[Symbol.asyncIterator]();
            return { next: () => watched(iterator.next()) };
          },
        },
      };
    },
  };
}
