import type { OutgoingHttpHeaders } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import {
  contentTypeStreamJson,
  contentTypeStreamProto,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  createEndStreamSerialization,
  endStreamFlag,
  parseTimeout as parseConnectTimeout,
} from "@connectrpc/connect/protocol-connect";
import {
  contentTypeJson as contentTypeGrpcJson,
  contentTypeProto as contentTypeGrpcProto,
  grpcStatusOk,
  parseTimeout as parseGrpcTimeout,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import {
  contentTypeJson as contentTypeWebJson,
  contentTypeProto as contentTypeWebProto,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";
import { JSON_OPTIONS } from "../wire-options.js";

/** How a call in envelopes ends: with a last envelope or with trailers. */
export type EndStream =
  | { readonly flags: number; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly trailers: OutgoingHttpHeaders };

/** A protocol in one encoding, as a content type names it. Header names are in lower case, as in Node. */
export interface WireProtocol {
  readonly isBinary: boolean;
  readonly hasUnary: boolean;
  readonly hasStreams: boolean;
  /** Whether it needs trailers, which only HTTP/2 carries here. */
  readonly needsHttp2: boolean;
  /** Returns the end of a call whose messages are in envelopes. Undefined when the body is the bare message. */
  readonly endStream: ((error: ConnectError | undefined) => EndStream) | undefined;
  /** Content type of the answer. */
  readonly contentType: string;
  readonly timeoutHeader: string;
  readonly encodingHeader: string;
  readonly acceptHeader: string;
  readonly parseTimeout: typeof parseConnectTimeout;
}

const endStreamSerialization = createEndStreamSerialization(JSON_OPTIONS);

function connectEndStream(error: ConnectError | undefined): EndStream {
  const data = endStreamSerialization.serialize(
    error === undefined ? { metadata: new Headers() } : { metadata: new Headers(), error },
  );
  return { flags: endStreamFlag, data };
}

function grpcStatus(error: ConnectError | undefined): Headers {
  return setTrailerStatus(new Headers({ "grpc-status": grpcStatusOk }), error);
}

function grpcEndStream(error: ConnectError | undefined): EndStream {
  return { trailers: Object.fromEntries(grpcStatus(error)) };
}

function webEndStream(error: ConnectError | undefined): EndStream {
  return { flags: trailerFlag, data: trailerSerialize(grpcStatus(error)) };
}

/** Builds the end of a successful call once: most calls end successfully. */
function remembered(
  make: (error: ConnectError | undefined) => EndStream,
): (error: ConnectError | undefined) => EndStream {
  const ok = make(undefined);
  return (error) => (error === undefined ? ok : make(error));
}

const CONNECT = { timeoutHeader: "connect-timeout-ms", parseTimeout: parseConnectTimeout, needsHttp2: false };

const UNARY = {
  ...CONNECT,
  hasUnary: true,
  hasStreams: false,
  endStream: undefined,
  encodingHeader: "content-encoding",
  acceptHeader: "accept-encoding",
};

const STREAM = {
  ...CONNECT,
  hasUnary: false,
  hasStreams: true,
  endStream: remembered(connectEndStream),
  encodingHeader: "connect-content-encoding",
  acceptHeader: "connect-accept-encoding",
};

const GRPC = {
  hasUnary: true,
  hasStreams: true,
  needsHttp2: true,
  endStream: remembered(grpcEndStream),
  timeoutHeader: "grpc-timeout",
  encodingHeader: "grpc-encoding",
  acceptHeader: "grpc-accept-encoding",
  parseTimeout: parseGrpcTimeout,
};

const WEB = { ...GRPC, needsHttp2: false, endStream: remembered(webEndStream) };

const GRPC_PROTO: WireProtocol = { ...GRPC, isBinary: true, contentType: contentTypeGrpcProto };
const WEB_PROTO: WireProtocol = { ...WEB, isBinary: true, contentType: contentTypeWebProto };

/** The protocols by content type, as clients usually write it. A content type in another form is left to connect. */
export const WIRE_PROTOCOLS: ReadonlyMap<string, WireProtocol> = new Map<string, WireProtocol>([
  ["application/json", { ...UNARY, isBinary: false, contentType: contentTypeUnaryJson }],
  ["application/proto", { ...UNARY, isBinary: true, contentType: contentTypeUnaryProto }],
  ["application/connect+json", { ...STREAM, isBinary: false, contentType: contentTypeStreamJson }],
  ["application/connect+proto", { ...STREAM, isBinary: true, contentType: contentTypeStreamProto }],
  ["application/grpc", GRPC_PROTO],
  ["application/grpc+proto", GRPC_PROTO],
  ["application/grpc+json", { ...GRPC, isBinary: false, contentType: contentTypeGrpcJson }],
  ["application/grpc-web", WEB_PROTO],
  ["application/grpc-web+proto", WEB_PROTO],
  ["application/grpc-web+json", { ...WEB, isBinary: false, contentType: contentTypeWebJson }],
]);
