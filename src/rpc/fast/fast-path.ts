import type { IncomingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { compressionNegotiate } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { LIMITS } from "../../model/limits.js";
import type { Logger } from "../../model/logger.js";
import type { RpcRecorder } from "../rpc-recorder.js";
import { MAX_TIMEOUT_MS } from "../wire-options.js";
import { type Body, bytesOf, readBody } from "./body.js";
import { CallContext } from "./call-context.js";
import { ENVELOPE_BYTES, fromEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { FastMethod } from "./fast-method.js";
import { runInOwnTick } from "./own-tick.js";
import { serveStream } from "./stream.js";
import { serveUnary } from "./unary.js";
import { WIRE_PROTOCOLS } from "./wire-protocol.js";

const COMPRESSIONS = [compressionGzip];

/** A larger body, in bytes, is left to connect, which refuses it. */
const MAX_BODY_BYTES = LIMITS.messageBytes + ENVELOPE_BYTES;

/**
 * A body of at least this many bytes is likely to mean much work: it is served in a turn of the event loop of its own.
 */
const LARGE_BYTES = 1 << 14;

/** Takes over a request that the fast path does not serve, with what it has read of the body. */
export type PassOn = (body: Body) => void;

/** Dependencies of the fast path. */
export interface FastPathDeps {
  readonly recorder: RpcRecorder;
  readonly logger: Logger;
}

/**
 * Serves what nearly every request is: a POST with a well-known content type and one readable message. The body is read
 * once, and an answer or message is written once. Everything unusual or wrong is passed on to connect unchanged, so
 * that only one place says what is wrong with a request.
 *
 * Returns whether the request was taken. The caller has made sure that it is a POST.
 */
export function serveFastPath(
  method: FastMethod,
  exchange: Exchange,
  isHttp2: boolean,
  { recorder, logger }: FastPathDeps,
  passOn: PassOn,
): boolean {
  const { headers } = exchange;
  const protocol = WIRE_PROTOCOLS.get(headers["content-type"] ?? "");
  if (protocol === undefined || !(method.isStream ? protocol.hasStreams : protocol.hasUnary)) return false;
  if (protocol.needsHttp2 && !isHttp2) return false;
  if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES)
    return false;
  const timeout = protocol.parseTimeout(headerOf(headers, protocol.timeoutHeader), MAX_TIMEOUT_MS);
  const compression = compressionNegotiate(
    COMPRESSIONS,
    headerOf(headers, protocol.encodingHeader),
    headerOf(headers, protocol.acceptHeader),
    protocol.acceptHeader,
  );
  if (timeout.error !== undefined || compression.error !== undefined) return false;
  const context = new CallContext(exchange, timeout.timeoutMs);
  const codec = protocol.isBinary ? method.binary : method.json;

  const serve = (body: Body, data: Uint8Array) => {
    let input: Message;
    try {
      input = codec.parse(data);
    } catch {
      passOn(body);
      return;
    }
    const call = { exchange, protocol, method, codec, input, context, compression: compression.response, recorder };
    (method.isStream ? serveStream(call) : serveUnary(call)).catch((error) => {
      logger.warn({ err: error, method: method.name }, "an answer could not be written");
      // Nothing more will be written: without this the client would wait for ever.
      exchange.body.destroy();
    });
  };

  const begin = (body: Body) => {
    if (exchange.isClosed) return;
    if (!body.isWhole) return passOn(body);
    let data = bytesOf(body);
    let isCompressed = compression.request !== null;
    if (protocol.endStream !== undefined) {
      const envelope = fromEnvelope(data);
      if (envelope === undefined || (envelope.isCompressed && !isCompressed)) return passOn(body);
      ({ data, isCompressed } = envelope);
    }
    if (!isCompressed || compression.request === null) return serve(body, data);
    compression.request.decompress(data as Uint8Array<ArrayBuffer>, LIMITS.messageBytes).then(
      (plain) => serve(body, plain),
      () => passOn(body),
    );
  };

  readBody(exchange.body, MAX_BODY_BYTES, (body) => {
    if (body.size < LARGE_BYTES) begin(body);
    else runInOwnTick(() => begin(body));
  });
  return true;
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}
