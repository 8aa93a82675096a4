import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { TaskQueueError } from "../core/errors.js";
import type { Logger } from "../core/logger.js";
import { toConnectError } from "./errors.js";

/** Told of every RPC, for metrics. */
export interface RpcObserver {
  /** An RPC ended with this code ("ok" or the code's name). */
  rpcEnded(method: string, code: string, seconds: number): void;
  /** A stream opened (+1) or ended (-1). */
  streams(method: string, change: 1 | -1): void;
}

/** Settings of the interceptor. */
export interface InterceptorOptions {
  readonly observer: RpcObserver;
  readonly logger: Logger;
  /** Server streams open at the same time; one more is refused with TOO_MANY_STREAMS. */
  readonly maxStreams: number;
}

function isGone(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof ConnectError || error instanceof TaskQueueError) return false;
  return signal.aborted || (error as NodeJS.ErrnoException)?.code === "ERR_STREAM_DESTROYED";
}

/** What every RPC gets: translated errors, a log line for faults, metrics, the limit of streams. */
export function createInterceptor({ observer, logger, maxStreams }: InterceptorOptions): Interceptor {
  let openStreams = 0;

  /** The error as the client may see it; a fault is logged with its cause and hidden. */
  function translate(error: unknown, method: string): ConnectError {
    if (error instanceof TaskQueueError) return toConnectError(error);
    if (error instanceof ConnectError) return error;
    logger.error({ err: error, method }, "an RPC failed with an unexpected error");
    return new ConnectError("internal error", Code.Internal);
  }

  async function* watched(
    response: StreamResponse,
    method: string,
    signal: AbortSignal,
    ended: (code: string) => void,
  ) {
    const messages = response.message[Symbol.asyncIterator]();
    // A generator whose reader left while it waited for room is never resumed by connect; this lets it clean up.
    const leave = () => void messages.return?.().catch(() => {});
    signal.addEventListener("abort", leave);
    let code = "canceled";
    try {
      for (let next = await messages.next(); next.done !== true; next = await messages.next()) yield next.value;
      // A watch ends quietly when it is aborted: its reader left, or its deadline has passed.
      if (signal.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
      code = "ok";
    } catch (error) {
      // What goes wrong once the reader has left is no fault.
      const translated = isGone(error, signal) ? ConnectError.from(error, Code.Canceled) : translate(error, method);
      code = codeToString(translated.code);
      throw translated;
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
      ended(code);
    }
  }

  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    const startedAt = performance.now();
    const ended = (code: string) => observer.rpcEnded(method, code, (performance.now() - startedAt) / 1000);
    if (request.stream) {
      if (openStreams >= maxStreams) {
        ended("resource_exhausted");
        throw toConnectError(
          new TaskQueueError("TOO_MANY_STREAMS", `this server has its limit of ${maxStreams} streams open`, {
            metadata: { max_streams: String(maxStreams) },
            retryAfterMs: 5000,
          }),
        );
      }
      openStreams++;
      observer.streams(method, 1);
      let isOpen = true;
      const close = (code: string) => {
        if (!isOpen) return;
        isOpen = false;
        openStreams--;
        observer.streams(method, -1);
        ended(code);
      };
      // The reader may leave before, or while, the messages are asked for.
      request.signal.addEventListener("abort", () => close("canceled"), { once: true });
      try {
        const response = await next(request);
        if (!response.stream) return response;
        return { ...response, message: watched(response, method, request.signal, close) };
      } catch (error) {
        const translated = translate(error, method);
        close(codeToString(translated.code));
        throw translated;
      }
    }
    try {
      const response = await next(request);
      ended("ok");
      return response;
    } catch (error) {
      const translated = translate(error, method);
      ended(codeToString(translated.code));
      throw translated;
    }
  };
}
