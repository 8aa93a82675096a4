import { gunzipSync } from "node:zlib";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalHandler, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { fieldInvalid, messageTooLarge } from "../model/common/errors.js";
import { addRequestInfo, toConnectError } from "./errors.js";
import { encodeGrpcMessage, setGrpcStatus } from "./grpc-status.js";
import { CALL_ORIGIN } from "./rpc-call.js";
import type { WireOptions } from "./wire-options.js";

const JSON_ERROR = "application/json";
const ENVELOPE_HEADER_BYTES = 5;
const COMPRESSED_FLAG = 1;

/** What connect blames on itself, although the request is at fault. */
const REQUEST_FAULT = /^(parse binary: |decompression failed$)/;

/** An envelope that ends too early. There is no message to speak of: the answer stays as the protocols have it. */
const CUT_OFF = /^protocol error: (incomplete envelope|promised )/;

/** Makes a better error of one that connect answers; undefined when it may stay. */
type Translate = (error: ConnectError | undefined) => ConnectError | undefined;

/**
 * Makes what connect says of a request it cannot read an error like all others. Connect parses before any interceptor
 * runs, answers a bad binary message with INTERNAL, and knows nothing of our details: without them, a message that is too
 * large looks as if it could be sent again later. Each error gets the id of the request. Only answers that failed are looked at.
 */
export function withParseErrors(
  handler: UniversalHandler,
  { hasFaultDetails, hasRequestInfo }: Required<Pick<WireOptions, "hasFaultDetails" | "hasRequestInfo">>,
): UniversalHandler {
  const invoke = async (...request: Parameters<UniversalHandler>) => {
    const [{ method, url, contextValues }] = request;
    const requestId = contextValues?.get(CALL_ORIGIN).requestId ?? "";
    const translate: Translate = (error) => {
      const better = parseError(error);
      if (!hasFaultDetails) better?.details.splice(0);
      if (!hasRequestInfo) return better;
      const told = better ?? error;
      // What the interceptor has seen has it already, and stays.
      return told !== undefined && addRequestInfo(told, requestId) ? told : undefined;
    };
    if (method === "GET" && handler.allowedMethods.includes(method) && isNoBase64(url)) return refuseBase64(translate);
    const response = await handler(...request);
    const type = response.header?.get("content-type") ?? "";
    if (response.status >= 400 && type === JSON_ERROR) return rewriteUnary(response, translate);
    if (type.startsWith("application/grpc-web")) {
      return rewriteLast(response, trailerFlag, (data) => rewriteWebTrailer(data, translate));
    }
    if (type.startsWith("application/grpc")) return rewriteTrailer(response, translate);
    if (type.startsWith("application/connect+")) {
      return rewriteLast(response, endStreamFlag, (data) => rewriteEndStream(data, translate));
    }
    return response;
  };
  return Object.assign(invoke, handler);
}

/** Whether the message of a GET claims to be base64 and is not: connect would report that as a fault of the server. */
function isNoBase64(url: string): boolean {
  const { searchParams } = new URL(url);
  if (searchParams.get("base64") !== "1") return false;
  try {
    base64Decode(searchParams.get("message") ?? "");
    return false;
  } catch {
    return true;
  }
}

function refuseBase64(translate: Translate): UniversalServerResponse {
  const plain = toConnectError(fieldInvalid([{ field: "request", description: "is not valid base64" }]), "camelCase");
  const error = translate(plain) ?? plain;
  return {
    status: codeToHttpStatus(error.code),
    header: new Headers({ "content-type": JSON_ERROR }),
    body: once(errorToJsonBytes(error, undefined)),
  };
}

/** Returns the error to answer instead if this one says that the request could not be read; otherwise undefined. */
function parseError(error: ConnectError | undefined): ConnectError | undefined {
  if (error === undefined || error.details.length > 0) return undefined;
  const { code, rawMessage } = error;
  const limit = code === Code.ResourceExhausted ? / readMaxBytes (\d+)/.exec(rawMessage)?.[1] : undefined;
  if (limit !== undefined) return toConnectError(messageTooLarge(Number(limit)), "camelCase");
  if (CUT_OFF.test(rawMessage)) return undefined;
  const isOurs = code === Code.Internal && REQUEST_FAULT.test(rawMessage);
  if (!isOurs && code !== Code.InvalidArgument) return undefined;
  const text = rawMessage.toWellFormed();
  const inField = /^cannot decode field [\w.]+\.(\w+) from JSON: (.*)$/s.exec(text);
  const field = inField?.[1] ?? / key "(.{1,128}?)" is unknown/.exec(text)?.[1] ?? "request";
  const description = inField?.[2] ?? text.replace(/^parse binary: /, "is not a valid message: ");
  return toConnectError(fieldInvalid([{ field, description }]), "camelCase");
}

async function rewriteUnary(response: UniversalServerResponse, translate: Translate): Promise<UniversalServerResponse> {
  const { body, header } = response;
  if (body === undefined) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  let bytes: Uint8Array = Buffer.concat(chunks);
  let { status } = response;
  const json = header?.has("content-encoding") ? gunzipSync(bytes) : bytes;
  const better = translate(errorFromJsonBytes(json, undefined, new ConnectError("", Code.Unknown)));
  if (better !== undefined) {
    bytes = errorToJsonBytes(better, undefined);
    status = codeToHttpStatus(better.code);
    header?.delete("content-encoding");
    header?.set("content-length", String(bytes.byteLength));
  }
  return { ...response, status, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function rewriteTrailer(response: UniversalServerResponse, translate: Translate): UniversalServerResponse {
  const { body, trailer } = response;
  if (trailer === undefined) return response;
  async function* rewritten(): AsyncGenerator<Uint8Array> {
    if (body !== undefined) yield* body;
    if (trailer === undefined || trailer.get("grpc-status") === "0") return;
    rewriteStatus(trailer, translate);
  }
  return { ...response, body: rewritten() };
}

/**
 * Passes the last envelope of a body, which has the flag `lastFlag`, through `rewrite`. The others stay as they are.
 */
function rewriteLast(
  response: UniversalServerResponse,
  lastFlag: number,
  rewrite: (data: Uint8Array) => Uint8Array | undefined,
): UniversalServerResponse {
  const { body } = response;
  if (body === undefined) return response;
  async function* rewritten(): AsyncGenerator<Uint8Array> {
    for await (const envelope of body ?? []) {
      const [flags = 0] = envelope;
      if ((flags & lastFlag) === 0) {
        yield envelope;
        continue;
      }
      const content = envelope.subarray(ENVELOPE_HEADER_BYTES);
      const better = rewrite((flags & COMPRESSED_FLAG) === 0 ? content : gunzipSync(content));
      yield better === undefined ? envelope : encodeEnvelope(lastFlag, better);
    }
  }
  return { ...response, body: rewritten() };
}

function rewriteWebTrailer(data: Uint8Array, translate: Translate): Uint8Array | undefined {
  const trailer = trailerParse(data);
  if (trailer.get("grpc-status") === "0") return undefined;
  rewriteStatus(trailer, translate);
  return trailerSerialize(trailer);
}

/** Puts the better error in, or the same with its message written as all others. */
function rewriteStatus(trailer: Headers, translate: Translate): void {
  const error = findTrailerError(trailer);
  const better = translate(error);
  // Trailers of the method's own were read as metadata of the error, and are there.
  if (better !== undefined) for (const name of [...better.metadata.keys()]) better.metadata.delete(name);
  if (better !== undefined) setGrpcStatus(trailer, better);
  else if (error !== undefined) trailer.set("grpc-message", encodeGrpcMessage(error.rawMessage));
}

const endStream = createEndStreamSerialization(undefined);

function rewriteEndStream(data: Uint8Array, translate: Translate): Uint8Array | undefined {
  const { metadata, error } = endStream.parse(data);
  const better = translate(error);
  return better && endStream.serialize({ metadata, error: better });
}
