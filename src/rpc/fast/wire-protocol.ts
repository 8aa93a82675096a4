import type { OutgoingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import {
  codeToHttpStatus,
  contentTypeStreamJson,
  contentTypeStreamProto,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
  parseTimeout as parseConnectTimeout,
} from "@connectrpc/connect/protocol-connect";
import {
  contentTypeJson as contentTypeGrpcJson,
  contentTypeProto as contentTypeGrpcProto,
  grpcStatusOk,
  parseTimeout as parseGrpcTimeout,
} from "@connectrpc/connect/protocol-grpc";
import {
  contentTypeJson as contentTypeWebJson,
  contentTypeProto as contentTypeWebProto,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";
import { challengeOf, type Spelling } from "../errors.js";
import { setGrpcStatus } from "../grpc-status.js";
import type { ProtocolName } from "../rpc-call.js";
import { JSON_OPTIONS } from "../wire-options.js";

/** How a call in envelopes ends: with a last envelope or with trailers. */
export type EndStream =
  | { readonly flags: number; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly trailers: OutgoingHttpHeaders };

/** Makes the end of a call, of its error and of the trailers that its method has set. */
type MakeEnd = (error: ConnectError | undefined, trailer: Headers | undefined) => EndStream;

/** How calls are answered whose answer is the bare message or error. */
export interface BareAnswers {
  /** The status of an answer without an error. */
  readonly status: number;
  /** Headers that tell something of the answer; undefined: none do. */
  readonly headersOf?: ((message: Message) => OutgoingHttpHeaders) | undefined;
  readonly errorOf: (error: ConnectError) => {
    readonly status: number;
    readonly headers: OutgoingHttpHeaders;
    readonly body: Uint8Array | string;
  };
}

/** A protocol in one encoding, as a content type names it. Header names are those of node: lower case. */
export interface WireProtocol {
  /** As the log names it. */
  readonly name: ProtocolName;
  readonly isBinary: boolean;
  /** How its clients spell the names of fields. */
  readonly spelling: Spelling;
  readonly hasUnary: boolean;
  readonly hasStreams: boolean;
  /** Whether an answer ends with trailers. */
  readonly hasTrailers: boolean;
  /** How a call ends, when its messages are in envelopes; undefined when the body is the message. */
  readonly endStream: MakeEnd | undefined;
  /** How it is answered, when the body is the message. */
  readonly bare: BareAnswers;
  /** Of the answer. */
  readonly contentType: string;
  readonly timeoutHeader: string;
  readonly encodingHeader: string;
  readonly acceptHeader: string;
  readonly parseTimeout: typeof parseConnectTimeout;
}

const endStreamSerialization = createEndStreamSerialization(JSON_OPTIONS);

function connectEndStream(error: ConnectError | undefined, trailer: Headers | undefined): EndStream {
  const metadata = trailer ?? new Headers();
  const data = endStreamSerialization.serialize(error === undefined ? { metadata } : { metadata, error });
  return { flags: endStreamFlag, data };
}

function grpcStatus(error: ConnectError | undefined, trailer: Headers | undefined): Headers {
  const status = new Headers(trailer);
  status.set("grpc-status", grpcStatusOk);
  return setGrpcStatus(status, error);
}

function grpcEndStream(error: ConnectError | undefined, trailer: Headers | undefined): EndStream {
  const trailers: OutgoingHttpHeaders = {};
  addHeaders(trailers, grpcStatus(error, trailer));
  return { trailers };
}

function webEndStream(error: ConnectError | undefined, trailer: Headers | undefined): EndStream {
  return { flags: trailerFlag, data: trailerSerialize(grpcStatus(error, trailer)) };
}

/** Most calls end well, with no trailers of their own: that end is made once. */
function remembered(make: MakeEnd): MakeEnd {
  const ok = make(undefined, undefined);
  return (error, trailer) => (error === undefined && trailer === undefined ? ok : make(error, trailer));
}

/** Adds headers to those of an answer, each name with `prefix` before it. One that comes twice is sent twice. */
export function addHeaders(target: OutgoingHttpHeaders, headers: Headers | undefined, prefix = ""): void {
  headers?.forEach((value, name) => {
    const key = prefix + name;
    const before = target[key];
    target[key] = before === undefined ? value : [before, value].flat().map(String);
  });
}

const CONNECT_ANSWERS: BareAnswers = {
  status: 200,
  errorOf: (error) => ({
    status: codeToHttpStatus(error.code),
    headers: { "content-type": contentTypeUnaryJson, ...challengeOf(error) },
    body: errorToJsonBytes(error, JSON_OPTIONS),
  }),
};

const JSON_MESSAGES = { isBinary: false, spelling: "camelCase" } as const;
const BINARY_MESSAGES = { isBinary: true, spelling: "snake_case" } as const;

const CONNECT = {
  name: "connect",
  timeoutHeader: "connect-timeout-ms",
  parseTimeout: parseConnectTimeout,
  hasTrailers: false,
  bare: CONNECT_ANSWERS,
} as const;

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
  name: "grpc",
  hasUnary: true,
  hasStreams: true,
  hasTrailers: true,
  endStream: remembered(grpcEndStream),
  timeoutHeader: "grpc-timeout",
  encodingHeader: "grpc-encoding",
  acceptHeader: "grpc-accept-encoding",
  bare: CONNECT_ANSWERS,
  parseTimeout: parseGrpcTimeout,
} as const;

const WEB = { ...GRPC, name: "grpc-web", hasTrailers: false, endStream: remembered(webEndStream) } as const;

const GRPC_PROTO: WireProtocol = { ...GRPC, ...BINARY_MESSAGES, contentType: contentTypeGrpcProto };
const WEB_PROTO: WireProtocol = { ...WEB, ...BINARY_MESSAGES, contentType: contentTypeWebProto };

/** The protocols by the content types as clients write them. */
const WIRE_PROTOCOLS: ReadonlyMap<string, WireProtocol> = new Map<string, WireProtocol>([
  ["application/json", { ...UNARY, ...JSON_MESSAGES, contentType: contentTypeUnaryJson }],
  ["application/proto", { ...UNARY, ...BINARY_MESSAGES, contentType: contentTypeUnaryProto }],
  ["application/connect+json", { ...STREAM, ...JSON_MESSAGES, contentType: contentTypeStreamJson }],
  ["application/connect+proto", { ...STREAM, ...BINARY_MESSAGES, contentType: contentTypeStreamProto }],
  ["application/grpc", GRPC_PROTO],
  ["application/grpc+proto", GRPC_PROTO],
  ["application/grpc+json", { ...GRPC, ...JSON_MESSAGES, contentType: contentTypeGrpcJson }],
  ["application/grpc-web", WEB_PROTO],
  ["application/grpc-web+proto", WEB_PROTO],
  ["application/grpc-web+json", { ...WEB, ...JSON_MESSAGES, contentType: contentTypeWebJson }],
]);

/**
 * The protocol that a content type names, in whatever way it is written: parameters and capitals do not count. Undefined when
 * it names none that can carry a method of this kind.
 */
export function wireProtocolOf(contentType: string | undefined, isStream: boolean): WireProtocol | undefined {
  if (contentType === undefined) return undefined;
  const protocol =
    WIRE_PROTOCOLS.get(contentType) ?? WIRE_PROTOCOLS.get(contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "");
  return protocol !== undefined && (isStream ? protocol.hasStreams : protocol.hasUnary) ? protocol : undefined;
}
