import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ANYBODY, STRANGER } from "../access/caller.js";
import { TaskQueueError } from "../model/common/errors.js";
import { isLogged, type Logger } from "../model/log/logger.js";
import { noTracer, type RpcSpan, type TracedCall, type Tracer } from "../model/log/tracer.js";
import { addRequestInfo, reasonOf, toConnectError } from "./errors.js";
import { callFields, type RpcCall } from "./rpc-call.js";

/** Called for every RPC, for metrics. */
export interface RpcObserver {
  /** Called when an RPC has ended with this code: "ok" or the name of a code. */
  rpcEnded(method: string, code: string, seconds: number): void;
  /** Called when a call has ended whose answer tells errors of this code of so many of its items. */
  itemsRefused(method: string, code: string, count: number): void;
  /** Called when a stream has opened (+1) or ended (-1). */
  streams(method: string, change: 1 | -1): void;
}

/** Dependencies and limits of an RpcRecorder. */
export interface RpcRecorderOptions {
  readonly observer: RpcObserver;
  readonly logger: Logger;
  /** Default: nobody traces. */
  readonly tracer?: Tracer | undefined;
  /** Most server streams open at the same time; one more is refused with TOO_MANY_STREAMS. */
  readonly maxStreams: number;
  /** The same for each caller with a token, and for all without one together, who have half of `maxStreams` at most. Default: no limit of its own. */
  readonly maxStreamsPerToken?: number | undefined;
  /** Whether errors say the id of the request; see `WireOptions`. */
  readonly hasRequestInfo?: boolean | undefined;
}

/** Records the end of a stream with "ok" or the name of a code, and its error. Only the first call counts. */
export type CloseStream = (code: string, error?: ConnectError) => void;

/**
 * What every RPC gets, whichever path serves it: translated errors, lines in the log, metrics, a span, and the limit of
 * open streams.
 *
 * | level | which RPCs have a line |
 * |---|---|
 * | error | those that failed with an unexpected error, with its stack |
 * | warn | those that this server had no room for, or for some of their items |
 * | debug | all, when they have ended; `code` says how |
 */
export interface RpcRecorder {
  /** Begins the span of a call, which ends with the call; undefined when nobody traces. */
  trace(call: TracedCall): RpcSpan | undefined;
  /** Does a unary call. Throws nothing but a ConnectError. */
  unary<T>(call: RpcCall, run: () => Promise<T>): Promise<T>;
  /** What `unary` does after a call that was begun at this moment, by `performance.now()`. */
  succeeded(call: RpcCall, startedAt: number): void;
  failed(error: unknown, call: RpcCall, startedAt: number): ConnectError;
  /** Opens a stream. TOO_MANY_STREAMS. */
  open(call: RpcCall): CloseStream;
  /**
   * The error as the client may see it, fields spelled as the client does, with the id of the request; a fault is logged with
   * its cause and hidden.
   */
  translate(error: unknown, call: RpcCall): ConnectError;
  /** The messages of a stream until it ends or `signal` is aborted; `close` is told how it ended. */
  messages<T>(source: AsyncIterable<T>, call: RpcCall, signal: AbortSignal, close: CloseStream): AsyncGenerator<T>;
}

/** Creates the recorder of a server; both paths share it. */
export function createRpcRecorder(options: RpcRecorderOptions): RpcRecorder {
  const { observer, logger, tracer = noTracer, hasRequestInfo = true } = options;
  const { maxStreams, maxStreamsPerToken = maxStreams } = options;
  const logsCalls = isLogged(logger, "debug");
  /** Who has no token must not take the streams of those who have. */
  const maxStreamsOfStrangers = Math.min(maxStreamsPerToken, Math.ceil(maxStreams / 2));
  let openStreams = 0;
  /** Of callers that have a stream, by name; strangers have none. Not of servers that ask for no token. */
  const byCaller = new Map<string, number>();

  function translate(error: unknown, call: RpcCall): ConnectError {
    const translated = toClientError(error, call);
    if (hasRequestInfo) addRequestInfo(translated, call.requestId);
    return translated;
  }

  function tellRoom(error: TaskQueueError, call: RpcCall): void {
    logger.warn({ ...callFields(call), reason: error.reason }, `refused: ${error.message}`);
  }

  /** What a call that is fine as a whole has refused of its items: what other calls about them alone would have ended with. */
  function tellItems(errors: readonly TaskQueueError[], call: RpcCall): void {
    const counts = new Map<string, number>();
    for (const { code } of errors) counts.set(code, (counts.get(code) ?? 0) + 1);
    for (const [code, count] of counts) observer.itemsRefused(call.method, code.toLowerCase(), count);
    const ofRoom = errors.find(isOutOfRoom);
    if (ofRoom !== undefined) tellRoom(ofRoom, call);
  }

  function toClientError(error: unknown, call: RpcCall): ConnectError {
    if (error instanceof TaskQueueError) {
      if (isOutOfRoom(error)) tellRoom(error, call);
      return toConnectError(error, call.spelling);
    }
    if (error instanceof ConnectError) return error;
    logger.error({ err: error, ...callFields(call) }, "an RPC failed with an unexpected error");
    return new ConnectError("internal error", Code.Internal);
  }

  function ended(call: RpcCall, code: string, startedAt: number, error?: ConnectError): void {
    const ms = performance.now() - startedAt;
    observer.rpcEnded(call.method, code, ms / 1000);
    const { itemErrors = [] } = call;
    if (itemErrors.length > 0) tellItems(itemErrors, call);
    call.span?.end(code);
    if (!logsCalls) return;
    const reason = error && reasonOf(error);
    const refused = itemErrors.length > 0 && { refused_items: itemErrors.length };
    const fields = {
      ...callFields(call),
      code,
      ...(reason && { reason }),
      ...refused,
      duration_ms: Math.round(ms * 1000) / 1000,
    };
    logger.debug(fields, "an RPC ended");
  }

  function succeeded(call: RpcCall, startedAt: number): void {
    ended(call, "ok", startedAt);
  }

  function failed(error: unknown, call: RpcCall, startedAt: number): ConnectError {
    const translated = translate(error, call);
    ended(call, codeToString(translated.code), startedAt, translated);
    return translated;
  }

  function leave(caller: string): void {
    const left = (byCaller.get(caller) ?? 1) - 1;
    if (left > 0) byCaller.set(caller, left);
    else byCaller.delete(caller);
  }

  return {
    trace: (call) => tracer.rpc(call),
    translate,
    succeeded,
    failed,

    async unary(call, run) {
      const startedAt = performance.now();
      try {
        const result = await run();
        succeeded(call, startedAt);
        return result;
      } catch (error) {
        throw failed(error, call, startedAt);
      }
    },

    open(call) {
      const startedAt = performance.now();
      const { caller } = call;
      const { name } = caller;
      const isCounted = caller !== ANYBODY;
      const own = isCounted ? (byCaller.get(name) ?? 0) : 0;
      const max = caller === STRANGER ? maxStreamsOfStrangers : maxStreamsPerToken;
      if (isCounted && own >= max) throw failed(tooManyOf(name, max), call, startedAt);
      if (openStreams >= maxStreams) throw failed(tooMany(maxStreams), call, startedAt);
      openStreams++;
      if (isCounted) byCaller.set(name, own + 1);
      observer.streams(call.method, 1);
      let isOpen = true;
      return (code, error) => {
        if (!isOpen) return;
        isOpen = false;
        openStreams--;
        if (isCounted) leave(name);
        observer.streams(call.method, -1);
        ended(call, code, startedAt, error);
      };
    },

    async *messages(source, call, signal, close) {
      const messages = source[Symbol.asyncIterator]();
      // A generator whose client left while it waited for room is never resumed: this lets it clean up.
      const leave = () => void messages.return?.().catch(() => {});
      signal.addEventListener("abort", leave);
      if (signal.aborted) leave();
      let code = "canceled";
      let failure: ConnectError | undefined;
      try {
        for (let next = await messages.next(); next.done !== true; next = await messages.next()) yield next.value;
        // A watch ends without an error when it is aborted: the client has left, or the deadline has passed.
        if (signal.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
        code = "ok";
      } catch (error) {
        // What goes wrong once the reader has left is no fault.
        failure = isGone(error, signal) ? ConnectError.from(error, Code.Canceled) : translate(error, call);
        code = codeToString(failure.code);
        throw failure;
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
        close(code, failure);
      }
    },
  };
}

function tooMany(maxStreams: number): TaskQueueError {
  return new TaskQueueError("TOO_MANY_STREAMS", `this server has its limit of ${maxStreams} streams open`, {
    metadata: { max_streams: String(maxStreams) },
    retryAfterMs: 5000,
  });
}

function tooManyOf(caller: string, maxStreams: number): TaskQueueError {
  const who = caller === "" ? "callers without a token have their" : `the token "${caller}" has its`;
  return new TaskQueueError("TOO_MANY_STREAMS", `${who} limit of ${maxStreams} streams open`, {
    metadata: { max_streams: String(maxStreams), caller },
    retryAfterMs: 5000,
  });
}

/** Whether this server as a whole had no room, which its operator should know of: not one queue of it. */
function isOutOfRoom({ reason, metadata }: TaskQueueError): boolean {
  return reason === "TOO_MANY_STREAMS" || (reason === "QUEUE_FULL" && metadata.queue === undefined);
}

/** The code of a stream that is aborted before its messages end; its client has left, unless the reason says something else. */
export function codeOfAbort(reason: unknown): string {
  return codeToString(reason instanceof ConnectError ? reason.code : Code.Canceled);
}

function isGone(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof ConnectError || error instanceof TaskQueueError) return false;
  return signal.aborted || (error as NodeJS.ErrnoException)?.code === "ERR_STREAM_DESTROYED";
}
