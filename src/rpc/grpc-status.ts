import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";

/** What the gRPC protocol escapes in a message: all but printable ASCII, and the percent sign. */
const ESCAPED = /[^\x20-\x24\x26-\x7e]+/g;

/** Sets status, message and details of gRPC in headers or trailers. */
export function setGrpcStatus(target: Headers, error: ConnectError | undefined): Headers {
  setTrailerStatus(target, error);
  // The library escapes commas, colons and blanks too, which some clients show as they are.
  if (error !== undefined) target.set("grpc-message", encodeGrpcMessage(error.rawMessage));
  return target;
}

/** A message as the gRPC protocol has it in a header. */
export function encodeGrpcMessage(message: string): string {
  return message.toWellFormed().replace(ESCAPED, (part) => encodeURIComponent(part));
}
