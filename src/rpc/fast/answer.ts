import type { OutgoingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { SAFE_HEADERS } from "../http.js";
import { ENVELOPE_BYTES, encodeEnvelope, isWorthCompressing, toEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { FastCall } from "./fast-call.js";
import type { Negotiated } from "./fast-method.js";
import { addHeaders, type EndStream } from "./wire-protocol.js";

/** The headers of an answer in envelopes, which are compressed so. */
export function headOf({ protocol, context }: FastCall, compression: Negotiated): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { "content-type": protocol.contentType, ...SAFE_HEADERS };
  addHeaders(head, context.givenHeader);
  if (compression !== null) head[protocol.encodingHeader] = compression.name;
  return head;
}

/** Answers a unary call with its message, or with an error. */
export function answerUnary(call: FastCall, message: Message): Promise<void> | void {
  const { exchange, protocol, compression, codec, context } = call;
  if (protocol.endStream !== undefined) {
    return answerInEnvelopes(
      call,
      compression,
      encodeEnvelope(codec.serialize(message, ENVELOPE_BYTES), compression),
      protocol.endStream(undefined, context.givenTrailer),
    );
  }
  const head = plainHeadOf(call, protocol.contentType);
  const { status, headersOf } = protocol.bare;
  if (headersOf !== undefined) Object.assign(head, headersOf(message));
  if (compression !== null || codec.toText === undefined)
    return answerPlain(call, status, head, codec.serialize(message, 0));
  if (!exchange.isClosed) exchange.answer(status, head, codec.toText(message));
}

/** Answers a unary call with an error. It is small, and goes out as it is. */
export function answerError(call: FastCall, error: ConnectError): Promise<void> | void {
  const { endStream, bare, contentType } = call.protocol;
  if (endStream !== undefined)
    return answerInEnvelopes(call, null, undefined, endStream(error, call.context.givenTrailer));
  const { status, headers, body } = bare.errorOf(error);
  const head = Object.assign(plainHeadOf(call, contentType), headers);
  error.metadata.forEach((value, key) => {
    head[key] = value;
  });
  if (!call.exchange.isClosed) call.exchange.answer(status, head, body);
}

/** The headers of an answer whose body is the message; what would be trailers is among them. */
function plainHeadOf({ context }: FastCall, contentType: string): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { "content-type": contentType, ...SAFE_HEADERS };
  addHeaders(head, context.givenHeader);
  addHeaders(head, context.givenTrailer, "trailer-");
  return head;
}

type Part = Uint8Array<ArrayBuffer>;

/** Sends the envelopes of an answer: the message, unless the call failed, and the end. */
function answerInEnvelopes(
  call: FastCall,
  compression: Negotiated,
  message: Part | Promise<Part> | undefined,
  end: EndStream,
): Promise<void> | void {
  const { exchange } = call;
  const last = "flags" in end ? toEnvelope(end.flags, end.data, compression) : undefined;
  const trailers = "trailers" in end ? end.trailers : undefined;
  if (message instanceof Promise || last instanceof Promise) {
    return Promise.all([message, last]).then((parts) => send(exchange, headOf(call, compression), parts, trailers));
  }
  send(exchange, headOf(call, compression), [message, last], trailers);
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

/** Answers a unary call of Connect, whose body is the bare message or error. */
function answerPlain(
  { exchange, protocol, compression }: FastCall,
  status: number,
  head: OutgoingHttpHeaders,
  body: Part,
): Promise<void> | void {
  if (!isWorthCompressing(compression, body)) {
    if (!exchange.isClosed) exchange.answer(status, head, body);
    return;
  }
  head[protocol.encodingHeader] = compression.name;
  return compression.compress(body).then((bytes) => {
    if (!exchange.isClosed) exchange.answer(status, head, bytes);
  });
}
