import type { IncomingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { type Admitted, ANYBODY } from "../../access/caller.js";
import { fieldInvalid, messageTooLarge, TaskQueueError } from "../../model/common/errors.js";
import type { Logger } from "../../model/log/logger.js";
import type { CallRoom } from "../call-room.js";
import { shorten } from "../errors.js";
import { callFields } from "../rpc-call.js";
import type { RpcRecorder } from "../rpc-recorder.js";
import { answerError } from "./answer.js";
import type { BodyOutcome, BodyReader } from "./body-reader.js";
import { CallContext, deadlineExceeded } from "./call-context.js";
import { largeBytesOf } from "./call-size.js";
import { ENVELOPE_BYTES, fromEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { OpenCall } from "./fast-call.js";
import type { FastMethod, Negotiated } from "./fast-method.js";
import type { GetRequest } from "./get-request.js";
import { serveStream } from "./stream.js";
import type { LargeCall, Turns } from "./turns.js";
import { serveUnary } from "./unary.js";
import type { WireProtocol } from "./wire-protocol.js";

const COMPRESSIONS = [compressionGzip];

/** Longest deadline that is told from one that is further away, ms. */
const MAX_TIMEOUT_MS = Number.MAX_SAFE_INTEGER;

/** Dependencies of the fast path. */
export interface FastPathDeps {
  readonly recorder: RpcRecorder;
  readonly logger: Logger;
  readonly bodies: BodyReader;
  readonly room: CallRoom;
  readonly turns: Turns;
  /** Whether the refusal of a request that cannot be read says so in details; see `WireOptions`. */
  readonly hasFaultDetails: boolean;
}

/**
 * Serves a POST to a unary or server-streaming method, of a caller that was let in: reads the body once, within the limits of `bodies` and of the decoders,
 * and writes an answer or a message at a time. Every request that comes here is answered here, good or bad. With `get` it is
 * a GET, whose body says nothing. With an error as `caller` it is answered with that.
 */
export function serveFastPath(
  method: FastMethod,
  exchange: Exchange,
  protocol: WireProtocol,
  { recorder, logger, bodies, room, turns, hasFaultDetails }: FastPathDeps,
  caller: Admitted | TaskQueueError = ANYBODY,
  get?: GetRequest,
): void {
  const { headers } = exchange;
  const startedAt = performance.now();
  const timeout = protocol.parseTimeout(headerOf(headers, protocol.timeoutHeader), MAX_TIMEOUT_MS);
  const compression = compressionNegotiate(
    COMPRESSIONS,
    get === undefined ? headerOf(headers, protocol.encodingHeader) : get.compression,
    headerOf(headers, protocol.acceptHeader),
    protocol.acceptHeader,
  );
  const isRefused = caller instanceof TaskQueueError;
  const known = isRefused ? ANYBODY : caller;
  const context = new CallContext(exchange, method.name, protocol, known, timeout.timeoutMs, get?.url);
  context.span = recorder.trace(context);
  const codec = protocol.isBinary ? method.binary : method.json;
  const settle: OpenCall["settle"] = (answered) => {
    answered?.catch((error) => {
      logger.warn({ err: error, ...callFields(context) }, "an answer could not be written");
      // Nothing more will come: without this the client would wait forever.
      exchange.destroy();
    });
  };
  const open: OpenCall = {
    ...{ exchange, protocol, method, codec, context, recorder, turns, settle },
    compression: compression.response,
  };

  /** Answers an error to a request that was not run. */
  const refuse = (error: unknown): void => {
    context.done();
    if (exchange.isClosed) return;
    const answer = recorder.failed(error, context, startedAt);
    if (!hasFaultDetails) answer.details.splice(0);
    settle(answerError(open, answer));
  };

  const run = (input: Message): Promise<void> | void => {
    if (context.isLate) {
      refuse(deadlineExceeded());
      return;
    }
    const call = { ...open, input };
    const answered = method.isStream ? serveStream(call) : serveUnary(call);
    settle(answered);
    return answered;
  };

  const runSmall = (bytes: Uint8Array): void => {
    // The client may have left while this waited for its turn.
    if (exchange.isClosed) return;
    let input: Message;
    try {
      input = codec.parse(bytes);
    } catch (error) {
      refuse(error);
      return;
    }
    run(input);
  };

  const largeCall = (bytes: Uint8Array): LargeCall => {
    let input: Message | undefined;
    let fault: unknown;
    function* prepare(): Generator<void, void> {
      if (exchange.isClosed || context.isLate) return;
      try {
        input = yield* codec.parseInSteps(bytes);
      } catch (error) {
        fault = error;
      }
    }
    return {
      prepare: prepare(),
      run() {
        if (exchange.isClosed) return;
        if (input !== undefined) return run(input);
        // It was not read if it is late.
        refuse(fault ?? deadlineExceeded());
      },
    };
  };

  const runPlain = (bytes: Uint8Array): void => {
    if (bytes.byteLength > method.readMaxBytes) {
      refuse(messageTooLarge(method.readMaxBytes));
      return;
    }
    const largeBytes = largeBytesOf(method, bytes.byteLength);
    if (largeBytes !== undefined) turns.enter(exchange.connection, largeBytes, largeCall(bytes));
    else if (turns.isYoung()) runSmall(bytes);
    else turns.soon(exchange.connection, () => runSmall(bytes));
  };

  const begin = (body: Uint8Array): void => {
    if (!room.enter(exchange.connection, (left) => exchange.onClose(left))) {
      refuse(tooManyCalls());
      return;
    }
    let data = body;
    let isCompressed = compression.request !== null;
    if (protocol.endStream !== undefined) {
      try {
        ({ data, isCompressed } = fromEnvelope(body, method));
      } catch (error) {
        refuse(error);
        return;
      }
      if (isCompressed && compression.request === null) {
        refuse(new ConnectError("protocol error: a compressed message, and no encoding that says how", Code.Internal));
        return;
      }
    }
    if (!isCompressed || data.byteLength === 0) runPlain(data);
    else decompress(compression.request, data, method.readMaxBytes).then(runPlain, refuse);
  };

  const finish = (outcome: BodyOutcome): void => {
    if (exchange.isClosed) return;
    if (outcome.kind === "WHOLE") {
      begin(outcome.bytes);
      return;
    }
    // The body will not come to an end, or is not waited for: what carries it must be given up too.
    if (outcome.kind === "TOO_LARGE") discard();
    else exchange.abandon();
    refuse(bodyError(outcome.kind, method.readMaxBytes));
  };

  const discard = (): void => bodies.discard(exchange.body, exchange.connection, () => exchange.abandon());

  /** Answers an error without reading the request, in its turn: a refusal costs as much as a small call. */
  const refuseUnread = (error: unknown): void => {
    discard();
    if (turns.isYoung()) refuse(error);
    else turns.soon(exchange.connection, () => refuse(error));
  };

  if (isRefused) {
    refuseUnread(caller);
    return;
  }
  if (timeout.error !== undefined || compression.error !== undefined) {
    refuseUnread(timeout.error === undefined ? badCompression(compression.error) : badDeadline(timeout.error));
    return;
  }
  if (context.isLate) {
    refuseUnread(deadlineExceeded());
    return;
  }
  if (get === undefined) {
    bodies.read(exchange.body, exchange.connection, method.readMaxBytes + ENVELOPE_BYTES, finish);
    return;
  }
  exchange.body.resume();
  let message: Uint8Array;
  try {
    message = get.message();
  } catch (error) {
    refuse(error);
    return;
  }
  begin(message);
}

/** The refusal of a call that finds no place to run. */
export function tooManyCalls(): TaskQueueError {
  return new TaskQueueError("TOO_MANY_STREAMS", "this server, or this connection, has too many calls in flight", {
    retryAfterMs: 1000,
  });
}

/** What connect says of a compression that is unknown, with no more than a part of its name. */
function badCompression(error: ConnectError | undefined): ConnectError | undefined {
  return error && new ConnectError(shorten(error.rawMessage), error.code, error.metadata);
}

function badDeadline({ rawMessage }: ConnectError): TaskQueueError {
  return fieldInvalid([{ field: "request", description: `has a deadline that is none: ${rawMessage}` }]);
}

function bodyError(kind: Exclude<BodyOutcome["kind"], "WHOLE">, maxBytes: number): TaskQueueError | ConnectError {
  if (kind === "TOO_LARGE") return messageTooLarge(maxBytes);
  if (kind === "LATE") return new ConnectError("the request did not arrive in time", Code.DeadlineExceeded);
  if (kind === "SCATTERED") {
    return fieldInvalid([{ field: "request", description: "came in too many small pieces: send it in larger ones" }]);
  }
  return new TaskQueueError("TOO_MANY_STREAMS", "this server is receiving too much at a time", { retryAfterMs: 1000 });
}

async function decompress(compression: Negotiated, data: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  try {
    return await (compression as NonNullable<Negotiated>).decompress(data as Uint8Array<ArrayBuffer>, maxBytes);
  } catch (error) {
    const isTooLarge = error instanceof ConnectError && error.code === Code.ResourceExhausted;
    throw isTooLarge
      ? messageTooLarge(maxBytes)
      : fieldInvalid([{ field: "request", description: "cannot be decompressed" }]);
  }
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}
