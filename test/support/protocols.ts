import { ConnectError } from "@connectrpc/connect";
import { endStreamFromJson, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { type Answer, envelope, envelopes, http1, http2, type RawRequest } from "./wire.js";

/** One way to send a message and to find the error in the answer. */
export interface Protocol {
  readonly name: string;
  readonly contentType: string;
  readonly isJson: boolean;
  /** Whether it carries unary calls, and whether streams. */
  readonly unary: boolean;
  readonly streams: boolean;
  /** Puts a message, however malformed, into the frame of this protocol. */
  readonly frame: (message: Uint8Array | string) => Buffer;
  readonly send: (url: string, request: RawRequest) => Promise<Answer>;
  /** The error of an answer; undefined when the call succeeded. */
  readonly errorOf: (answer: Answer) => ConnectError | undefined;
}

function errorOfUnary({ status, body }: Answer): ConnectError | undefined {
  return status === 200 ? undefined : errorFromJsonBytes(body, undefined, new ConnectError(`not an error: ${body}`));
}

function errorOfStream({ body }: Answer): ConnectError | undefined {
  const last = envelopes(body).at(-1);
  if (last?.flags !== 2) throw new Error(`not the end of a stream: ${body}`);
  return endStreamFromJson(last.data).error;
}

function errorOfGrpc({ headers, trailers }: Answer): ConnectError | undefined {
  const all = Object.entries({ ...headers, ...trailers }).filter(([name]) => name.startsWith("grpc-"));
  return findTrailerError(new Headers(all.map(([name, value]) => [name, String(value)])));
}

function errorOfWeb({ body }: Answer): ConnectError | undefined {
  const last = envelopes(body).at(-1);
  if (last?.flags !== 0x80) throw new Error(`not the trailer of a call: ${body}`);
  return findTrailerError(trailerParse(last.data));
}

const plain = (message: Uint8Array | string) => Buffer.from(message);
const framed = (message: Uint8Array | string) => envelope(message);

const unary = { unary: true, streams: false, frame: plain, send: http1, errorOf: errorOfUnary };
const stream = { unary: false, streams: true, frame: framed, send: http1, errorOf: errorOfStream };
const grpc = { unary: true, streams: true, frame: framed, send: http2, errorOf: errorOfGrpc };
const web = { unary: true, streams: true, frame: framed, send: http1, errorOf: errorOfWeb };

/** Every protocol in every encoding. */
export const PROTOCOLS: readonly Protocol[] = [
  { name: "Connect in JSON", contentType: "application/json", isJson: true, ...unary },
  { name: "Connect in binary", contentType: "application/proto", isJson: false, ...unary },
  { name: "a Connect stream in JSON", contentType: "application/connect+json", isJson: true, ...stream },
  { name: "a Connect stream in binary", contentType: "application/connect+proto", isJson: false, ...stream },
  { name: "gRPC in JSON", contentType: "application/grpc+json", isJson: true, ...grpc },
  { name: "gRPC in binary", contentType: "application/grpc", isJson: false, ...grpc },
  { name: "gRPC-Web in JSON", contentType: "application/grpc-web+json", isJson: true, ...web },
  { name: "gRPC-Web in binary", contentType: "application/grpc-web+proto", isJson: false, ...web },
];
