import { appendHeaders, type ConnectError } from "@connectrpc/connect";
import {
  contentTypeStreamProto,
  contentTypeUnaryProto,
  errorFromJsonBytes,
  trailerDemux,
  validateResponseWithCompression,
} from "@connectrpc/connect/protocol-connect";
import type { ResponseHead } from "./http-message.js";

/** Kinds of methods that are called over streams of our own. */
export type LeanKind = "unary" | "server_streaming";

/** Where the encoding of a body is told. */
const ENCODING = { unary: "content-encoding", server_streaming: "connect-content-encoding" } as const;

const CONTENT_TYPE = { unary: contentTypeUnaryProto, server_streaming: contentTypeStreamProto } as const;

/**
 * Returns the error of a response whose body tells more of it, and undefined of a good response. Throws the error of one that is
 * none of Connect's.
 */
export function checkHead(kind: LeanKind, head: ResponseHead): ConnectError | undefined {
  const isOrdinary =
    head[":status"] === 200 && head["content-type"] === CONTENT_TYPE[kind] && head[ENCODING[kind]] === undefined;
  if (isOrdinary) return undefined;
  const headers = headersOf(head);
  return validateResponseWithCompression(kind, [], true, head[":status"] ?? 0, headers).unaryError;
}

/** The error that the body of a unary response tells. */
export function errorOfBody(head: ResponseHead, body: Uint8Array, unaryError: ConnectError): unknown {
  try {
    const [header, trailer] = trailerDemux(headersOf(head));
    return errorFromJsonBytes(body, appendHeaders(header, trailer), unaryError);
  } catch (error) {
    return error;
  }
}

/** The headers of a response as Connect has them. */
export function headersOf(head: ResponseHead): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(head)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) headers.append(name, String(each));
  }
  return headers;
}
