import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { TaskQueueError } from "../model/errors.js";
import type { Logger } from "../model/logger.js";
import { type Spelling, toConnectError } from "./errors.js";

/** Called for every RPC, for metrics. */
export interface RpcObserver {
  /** Called when an RPC has ended with this code: "ok" or the name of a code. */
  rpcEnded(method: string, code: string, seconds: number): void;
  /** Called when a stream has opened (+1) or ended (-1). */
  streams(method: string, change: 1 | -1): void;
}

/** Dependencies and limits of an RpcRecorder. */
export interface RpcRecorderOptions {
  readonly observer: RpcObserver;
  readonly logger: Logger;
  /** Most server streams open at the same time; one more is refused with TOO_MANY_STREAMS. */
  readonly maxStreams: number;
}

/** Records the end of a stream with "ok" or the name of a code. Only the first call counts. */
export type CloseStream = (code: string) => void;

/**
 * What every RPC gets, whichever path serves it: translated errors, a log line for unexpected errors, metrics, and the
 * limit of open streams. `method` is the full name, as in `gotaskq.v1.JobService/GetJob`.
 */
export interface RpcRecorder {
  /** Does a unary call. Throws nothing but a ConnectError. */
  unary<T>(method: string, spelling: Spelling, run: () => Promise<T>): Promise<T>;
  /** What `unary` does after a call that was begun at this moment, by `performance.now()`. */
  succeeded(method: string, startedAt: number): void;
  failed(error: unknown, method: string, startedAt: number, spelling: Spelling): ConnectError;
  /** Opens a stream. TOO_MANY_STREAMS. */
  open(method: string): CloseStream;
  /** The error as the client may see it, fields spelled as the client does; a fault is logged with its cause and hidden. */
  translate(error: unknown, method: string, spelling: Spelling): ConnectError;
  /** The messages of a stream until it ends or `signal` is aborted; `close` is told how it ended. */
  messages<T>(
    source: AsyncIterable<T>,
    method: string,
    spelling: Spelling,
    signal: AbortSignal,
    close: CloseStream,
  ): AsyncGenerator<T>;
}

/** Creates the recorder of a server; both paths share it. */
export function createRpcRecorder({ observer, logger, maxStreams }: RpcRecorderOptions): RpcRecorder {
  let openStreams = 0;

  function translate(error: unknown, method: string, spelling: Spelling): ConnectError {
    if (error instanceof TaskQueueError) return toConnectError(error, spelling);
    if (error instanceof ConnectError) return error;
    logger.error({ err: error, method }, "an RPC failed with an unexpected error");
    return new ConnectError("internal error", Code.Internal);
  }

  function ended(method: string, code: string, startedAt: number): void {
    observer.rpcEnded(method, code, (performance.now() - startedAt) / 1000);
  }

  function succeeded(method: string, startedAt: number): void {
    ended(method, "ok", startedAt);
  }

  function failed(error: unknown, method: string, startedAt: number, spelling: Spelling): ConnectError {
    const translated = translate(error, method, spelling);
    ended(method, codeToString(translated.code), startedAt);
    return translated;
  }

  return {
    translate,
    succeeded,
    failed,

    async unary(method, spelling, run) {
      const startedAt = performance.now();
      try {
        const result = await run();
        succeeded(method, startedAt);
        return result;
      } catch (error) {
        throw failed(error, method, startedAt, spelling);
      }
    },

    open(method) {
      const startedAt = performance.now();
      if (openStreams >= maxStreams) {
        ended(method, "resource_exhausted", startedAt);
        throw toConnectError(
          new TaskQueueError("TOO_MANY_STREAMS", `this server has its limit of ${maxStreams} streams open`, {
            metadata: { max_streams: String(maxStreams) },
            retryAfterMs: 5000,
          }),
          "snake_case",
        );
      }
      openStreams++;
      observer.streams(method, 1);
      let isOpen = true;
      return (code) => {
        if (!isOpen) return;
        isOpen = false;
        openStreams--;
        observer.streams(method, -1);
        ended(method, code, startedAt);
      };
    },

    async *messages(source, method, spelling, signal, close) {
      const messages = source[Symbol.asyncIterator]();
      // A generator whose client left while it waited for room is never resumed: this lets it clean up.
      const leave = () => void messages.return?.().catch(() => {});
      signal.addEventListener("abort", leave);
      if (signal.aborted) leave();
      let code = "canceled";
      try {
        for (let next = await messages.next(); next.done !== true; next = await messages.next()) yield next.value;
        // A watch ends without an error when it is aborted: the client has left, or the deadline has passed.
        if (signal.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
        code = "ok";
      } catch (error) {
        // What goes wrong once the reader has left is no fault.
        const translated = isGone(error, signal)
          ? ConnectError.from(error, Code.Canceled)
          : translate(error, method, spelling);
        code = codeToString(translated.code);
        throw translated;
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
        close(code);
      }
    },
  };
}

/** The code of a stream that is aborted before its messages end: its deadline has passed, or its client has left. */
export function codeOfAbort(reason: unknown): string {
  const isLate = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  return codeToString(isLate ? Code.DeadlineExceeded : Code.Canceled);
}

function isGone(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof ConnectError || error instanceof TaskQueueError) return false;
  return signal.aborted || (error as NodeJS.ErrnoException)?.code === "ERR_STREAM_DESTROYED";
}
