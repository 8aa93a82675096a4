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
import type { FastCall } from "./fast-call.js";
import type { Codec, FastMethod, Negotiated } from "./fast-method.js";
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
  deps: FastPathDeps,
  caller: Admitted | TaskQueueError = ANYBODY,
  get?: GetRequest,
): void {
  const timeout = protocol.parseTimeout(headerOf(exchange.headers, protocol.timeoutHeader), MAX_TIMEOUT_MS);
  const isRefused = caller instanceof TaskQueueError;
  const known = isRefused ? ANYBODY : caller;
  const context = new CallContext(exchange, method.name, protocol, known, timeout.timeoutMs, get?.url);
  context.span = deps.recorder.trace(context);
  const compression = negotiate(exchange.headers, protocol, get);
  const call = new ArrivingCall(method, exchange, protocol, context, compression, deps);
  if (isRefused) call.refuseUnread(caller);
  else if (timeout.error !== undefined) call.refuseUnread(badDeadline(timeout.error));
  else if (compression.error !== undefined) call.refuseUnread(badCompression(compression.error));
  else if (context.isLate) call.refuseUnread(deadlineExceeded());
  else if (get === undefined) call.read();
  else call.take(get);
}

/** What the headers of a request say of compression. */
type Compressions = ReturnType<typeof compressionNegotiate>;

const NO_COMPRESSION: Compressions = { request: null, response: null, error: undefined };

function negotiate(headers: IncomingHttpHeaders, protocol: WireProtocol, get: GetRequest | undefined): Compressions {
  const { encodingHeader, acceptHeader } = protocol;
  const requested = get === undefined ? headerOf(headers, encodingHeader) : get.compression;
  const accepted = headerOf(headers, acceptHeader);
  if (requested === null && accepted === null) return NO_COMPRESSION;
  return compressionNegotiate(COMPRESSIONS, requested, accepted, acceptHeader);
}

/** A call from the head of its request until it runs. One object with methods: functions made for each call would cost more than most calls. */
class ArrivingCall implements FastCall {
  readonly method: FastMethod;
  readonly exchange: Exchange;
  readonly protocol: WireProtocol;
  readonly codec: Codec;
  readonly context: CallContext;
  readonly compression: Negotiated;
  readonly recorder: RpcRecorder;
  readonly turns: Turns;
  readonly #requestCompression: Negotiated;
  readonly #deps: FastPathDeps;
  readonly #startedAt = performance.now();

  constructor(
    method: FastMethod,
    exchange: Exchange,
    protocol: WireProtocol,
    context: CallContext,
    compression: Compressions,
    deps: FastPathDeps,
  ) {
    this.method = method;
    this.exchange = exchange;
    this.protocol = protocol;
    this.codec = protocol.isBinary ? method.binary : method.json;
    this.context = context;
    this.compression = compression.response;
    this.recorder = deps.recorder;
    this.turns = deps.turns;
    this.#requestCompression = compression.request;
    this.#deps = deps;
  }

  settle(answered: Promise<void> | void): void {
    answered?.catch((error) => this.unanswered(error));
  }

  unanswered(error: unknown): void {
    this.#deps.logger.warn({ err: error, ...callFields(this.context) }, "an answer could not be written");
    // Nothing more will come: without this the client would wait forever.
    this.exchange.destroy();
  }

  /** Answers an error without reading the request, in its turn: a refusal costs as much as a small call. */
  refuseUnread(error: unknown): void {
    this.#discard();
    if (this.turns.isYoung()) this.#refuse(error);
    else this.turns.soon(this.exchange.connection, () => this.#refuse(error));
  }

  /** Reads the message from the body. */
  read(): void {
    const { exchange, method } = this;
    const max = method.readMaxBytes + ENVELOPE_BYTES;
    this.#deps.bodies.read(exchange.body, exchange.connection, max, (outcome) => this.#finish(outcome));
  }

  /** Takes the message from the URL. */
  take(get: GetRequest): void {
    this.exchange.body.resume();
    let message: Uint8Array;
    try {
      message = get.message();
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#begin(message);
  }

  /** Answers an error to a request that was not run. */
  #refuse(error: unknown): void {
    const { context } = this;
    context.done();
    if (this.exchange.isClosed) return;
    const answer = this.recorder.failed(error, context, this.#startedAt);
    if (!this.#deps.hasFaultDetails) answer.details.splice(0);
    try {
      this.settle(answerError(this, answer));
    } catch (thrown) {
      this.unanswered(thrown);
    }
  }

  #discard(): void {
    const { exchange } = this;
    this.#deps.bodies.discard(exchange.body, exchange.connection, () => exchange.abandon());
  }

  #finish(outcome: BodyOutcome): void {
    const { exchange } = this;
    if (exchange.isClosed) return;
    if (outcome.kind === "WHOLE") {
      this.#begin(outcome.bytes);
      return;
    }
    // The body will not come to an end, or is not waited for: what carries it must be given up too.
    if (outcome.kind === "TOO_LARGE") this.#discard();
    else exchange.abandon();
    this.#refuse(bodyError(outcome.kind, this.method.readMaxBytes));
  }

  #begin(body: Uint8Array): void {
    const { exchange, method } = this;
    if (!this.#deps.room.enter(exchange.connection, exchange)) {
      this.#refuse(tooManyCalls());
      return;
    }
    const compression = this.#requestCompression;
    let data = body;
    let isCompressed = compression !== null;
    if (this.protocol.endStream !== undefined) {
      try {
        ({ data, isCompressed } = fromEnvelope(body, method));
      } catch (error) {
        this.#refuse(error);
        return;
      }
      if (isCompressed && compression === null) {
        this.#refuse(
          new ConnectError("protocol error: a compressed message, and no encoding that says how", Code.Internal),
        );
        return;
      }
    }
    if (!isCompressed || data.byteLength === 0) this.#runPlain(data);
    else {
      decompress(compression, data, method.readMaxBytes).then(
        (bytes) => this.#runPlain(bytes),
        (error) => this.#refuse(error),
      );
    }
  }

  #runPlain(bytes: Uint8Array): void {
    const { method, turns, exchange } = this;
    if (bytes.byteLength > method.readMaxBytes) {
      this.#refuse(messageTooLarge(method.readMaxBytes));
      return;
    }
    const largeBytes = largeBytesOf(method, bytes.byteLength);
    if (largeBytes !== undefined) turns.enter(exchange.connection, largeBytes, this.#largeCall(bytes));
    else if (turns.isYoung()) this.#runSmall(bytes);
    else turns.soon(exchange.connection, () => this.#runSmall(bytes));
  }

  #runSmall(bytes: Uint8Array): void {
    // The client may have left while this waited for its turn.
    if (this.exchange.isClosed) return;
    let input: Message;
    try {
      input = this.codec.parse(bytes);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#run(input);
  }

  #largeCall(bytes: Uint8Array): LargeCall {
    const { exchange, context, codec } = this;
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
      run: () => {
        if (exchange.isClosed) return;
        if (input !== undefined) return this.#run(input);
        // It was not read if it is late.
        this.#refuse(fault ?? deadlineExceeded());
      },
    };
  }

  #run(input: Message): Promise<void> | void {
    if (this.context.isLate) {
      this.#refuse(deadlineExceeded());
      return;
    }
    if (!this.method.isStream) return serveUnary(this, input);
    const answered = serveStream(this, input);
    this.settle(answered);
    return answered;
  }
}

/** The refusal of a call that finds no place to run. */
export function tooManyCalls(): TaskQueueError {
  return new TaskQueueError("TOO_MANY_STREAMS", "this server, or this connection, has too many calls in flight", {
    retryAfterMs: 1000,
  });
}

/** What connect says of a compression that is unknown, with no more than a part of its name. */
function badCompression(error: ConnectError): ConnectError {
  return new ConnectError(shorten(error.rawMessage), error.code, error.metadata);
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
