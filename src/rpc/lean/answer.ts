import type { OutgoingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, contentTypeUnaryJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { JSON_OPTIONS } from "../wire-options.js";
import type { Dialect } from "./dialect.js";
import { ENVELOPE_BYTES, isWorthCompressing, seal, toEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { Negotiated } from "./method.js";

/** The headers of an answer in envelopes. */
export function headOf(dialect: Dialect, compression: Negotiated): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { "content-type": dialect.contentType };
  if (compression !== null) head[dialect.encodingHeader] = compression.name;
  return head;
}

/** Free bytes that a message needs before it. */
export function roomFor({ ending }: Dialect): number {
  return ending === undefined ? 0 : ENVELOPE_BYTES;
}

/** Answers a unary call with its message, as `roomFor` asked for it, or with an error: `bytes` is undefined then. */
export async function answerUnary(
  exchange: Exchange,
  dialect: Dialect,
  compression: Negotiated,
  bytes: Uint8Array<ArrayBuffer> | undefined,
  error: ConnectError | undefined,
): Promise<void> {
  const { ending } = dialect;
  if (ending === undefined) return answerPlain(exchange, dialect, compression, bytes, error);
  const parts: Uint8Array[] = bytes === undefined ? [] : [await seal(bytes, compression)];
  const end = ending(error);
  if ("flags" in end) parts.push(await toEnvelope(end.flags, end.data, compression));
  if (exchange.isClosed) return;
  const [first = new Uint8Array()] = parts;
  const body = parts.length > 1 ? Buffer.concat(parts) : first;
  exchange.answer(200, headOf(dialect, compression), body, "trailers" in end ? end.trailers : undefined);
}

/** Connect's unary calls: the body is the message, or the error. */
async function answerPlain(
  exchange: Exchange,
  dialect: Dialect,
  compression: Negotiated,
  message: Uint8Array<ArrayBuffer> | undefined,
  error: ConnectError | undefined,
): Promise<void> {
  const head: OutgoingHttpHeaders = { "content-type": error ? contentTypeUnaryJson : dialect.contentType };
  error?.metadata.forEach((value, key) => {
    head[key] = value;
  });
  let body = message ?? errorToJsonBytes(error ?? new ConnectError("", Code.Internal), JSON_OPTIONS);
  if (isWorthCompressing(compression, body)) {
    body = await compression.compress(body);
    head[dialect.encodingHeader] = compression.name;
  }
  if (!exchange.isClosed) exchange.answer(error ? codeToHttpStatus(error.code) : 200, head, body);
}
