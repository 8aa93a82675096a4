import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { fieldInvalid } from "../core/errors.js";
import { toConnectError } from "./errors.js";

const JSON_ERROR = "application/json";
const ENVELOPE_HEADER_BYTES = 5;

/**
 * Makes what connect says of a request it cannot parse an error like all others. Connect parses before any interceptor
 * runs, answers a bad binary message with INTERNAL, and knows nothing of our details. Only answers that failed are
 * looked at.
 */
export function withParseErrors(handler: UniversalHandler): UniversalHandler {
  const invoke = async (...request: Parameters<UniversalHandler>) => {
    const response = await handler(...request);
    const type = response.header?.get("content-type") ?? "";
    if (response.status >= 400 && type === JSON_ERROR) return rewriteUnary(response);
    if (type.startsWith("application/grpc-web")) return rewriteWebTrailer(response);
    if (type.startsWith("application/grpc")) return rewriteTrailer(response);
    return response;
  };
  return Object.assign(invoke, handler);
}

/** The error to answer instead, if this one says that the request could not be parsed. */
function parseError(error: ConnectError | undefined): ConnectError | undefined {
  if (error === undefined || error.details.length > 0) return undefined;
  const { rawMessage } = error;
  const isBinary = error.code === Code.Internal && rawMessage.startsWith("parse binary: ");
  if (!isBinary && error.code !== Code.InvalidArgument) return undefined;
  const text = rawMessage.toWellFormed();
  const inField = /^cannot decode field [\w.]+\.(\w+) from JSON: (.*)$/s.exec(text);
  const field = inField?.[1] ?? / key "(.{1,128}?)" is unknown/.exec(text)?.[1] ?? "request";
  const description = inField?.[2] ?? text.replace(/^parse binary: /, "is not a valid message: ");
  return toConnectError(fieldInvalid([{ field, description }]));
}

async function rewriteUnary(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  if (response.body === undefined || response.header?.has("content-encoding")) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  let bytes: Uint8Array = Buffer.concat(chunks);
  let { status } = response;
  const better = parseError(errorFromJsonBytes(bytes, undefined, new ConnectError("", Code.Unknown)));
  if (better !== undefined) {
    bytes = errorToJsonBytes(better, undefined);
    status = codeToHttpStatus(better.code);
    response.header?.set("content-length", String(bytes.byteLength));
  }
  return { ...response, status, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function rewriteTrailer(response: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = response;
  if (trailer === undefined) return response;
  async function* rewritten(): AsyncGenerator<Uint8Array> {
    if (body !== undefined) yield* body;
    if (trailer === undefined || trailer.get("grpc-status") === "0") return;
    const better = parseError(findTrailerError(trailer));
    if (better !== undefined) setTrailerStatus(trailer, better);
  }
  return { ...response, body: rewritten() };
}

function rewriteWebTrailer(response: UniversalServerResponse): UniversalServerResponse {
  const { body } = response;
  if (body === undefined) return response;
  async function* rewritten(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body ?? []) yield chunk[0] === trailerFlag ? rewriteEnvelope(chunk) : chunk;
  }
  return { ...response, body: rewritten() };
}

function rewriteEnvelope(envelope: Uint8Array): Uint8Array {
  const trailer = trailerParse(envelope.subarray(ENVELOPE_HEADER_BYTES));
  const better = trailer.get("grpc-status") === "0" ? undefined : parseError(findTrailerError(trailer));
  if (better === undefined) return envelope;
  setTrailerStatus(trailer, better);
  const data = trailerSerialize(trailer);
  const result = Buffer.alloc(ENVELOPE_HEADER_BYTES + data.byteLength);
  result[0] = trailerFlag;
  result.writeUInt32BE(data.byteLength, 1);
  result.set(data, ENVELOPE_HEADER_BYTES);
  return result;
}
