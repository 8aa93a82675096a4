import type { OutgoingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, contentTypeUnaryJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { JSON_OPTIONS } from "../wire-options.js";
import type { LeanCall } from "./call.js";
import type { Dialect, Ending } from "./dialect.js";
import { ENVELOPE_BYTES, isWorthCompressing, seal, toEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { Negotiated } from "./method.js";

/** The headers of an answer in envelopes. */
export function headOf(dialect: Dialect, compression: Negotiated): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { "content-type": dialect.contentType };
  if (compression !== null) head[dialect.encodingHeader] = compression.name;
  return head;
}

/** Answers a unary call with its message, or with an error. */
export function answerUnary(call: LeanCall, message: Message): Promise<void> | void {
  const { exchange, dialect, compression, codec } = call;
  if (dialect.ending !== undefined) {
    return answerSealed(call, seal(codec.serialize(message, ENVELOPE_BYTES), compression), dialect.ending(undefined));
  }
  const head: OutgoingHttpHeaders = { "content-type": dialect.contentType };
  if (compression !== null || codec.toText === undefined)
    return answerPlain(call, 200, head, codec.serialize(message, 0));
  if (!exchange.isClosed) exchange.answer(200, head, codec.toText(message));
}

/** Answers a unary call with an error. */
export function answerError(call: LeanCall, error: ConnectError): Promise<void> | void {
  const { ending } = call.dialect;
  if (ending !== undefined) return answerSealed(call, undefined, ending(error));
  const head: OutgoingHttpHeaders = { "content-type": contentTypeUnaryJson };
  error.metadata.forEach((value, key) => {
    head[key] = value;
  });
  return answerPlain(call, codeToHttpStatus(error.code), head, errorToJsonBytes(error, JSON_OPTIONS) as Part);
}

type Part = Uint8Array<ArrayBuffer>;

/** What comes in envelopes: a message unless the call failed, and the end. */
function answerSealed(call: LeanCall, message: Part | Promise<Part> | undefined, end: Ending): Promise<void> | void {
  const { exchange, dialect, compression } = call;
  const last = "flags" in end ? toEnvelope(end.flags, end.data, compression) : undefined;
  const trailers = "trailers" in end ? end.trailers : undefined;
  if (message instanceof Promise || last instanceof Promise) {
    return Promise.all([message, last]).then((parts) => send(exchange, headOf(dialect, compression), parts, trailers));
  }
  send(exchange, headOf(dialect, compression), [message, last], trailers);
}

function send(
  exchange: Exchange,
  head: OutgoingHttpHeaders,
  [message, last]: readonly (Part | undefined)[],
  trailers: OutgoingHttpHeaders | undefined,
): void {
  if (exchange.isClosed) return;
  const body = message && last ? Buffer.concat([message, last]) : (message ?? last ?? new Uint8Array());
  exchange.answer(200, head, body, trailers);
}

/** Connect's unary calls: the body is the message, or the error. */
function answerPlain(
  { exchange, dialect, compression }: LeanCall,
  status: number,
  head: OutgoingHttpHeaders,
  body: Part,
): Promise<void> | void {
  if (!isWorthCompressing(compression, body)) {
    if (!exchange.isClosed) exchange.answer(status, head, body);
    return;
  }
  head[dialect.encodingHeader] = compression.name;
  return compression.compress(body).then((bytes) => {
    if (!exchange.isClosed) exchange.answer(status, head, bytes);
  });
}
