import { base64Decode } from "@bufbuild/protobuf/wire";
import { fieldInvalid } from "../../model/common/errors.js";
import { type WireProtocol, wireProtocolOf } from "./wire-protocol.js";

/** A call by GET: what a POST has in its body and in the headers that describe it stands in the URL. */
export interface GetRequest {
  readonly protocol: WireProtocol;
  readonly url: string;
  /** Name of the compression of the message; null: none. */
  readonly compression: string | null;
  /** The message, perhaps compressed. FIELD_INVALID when it claims to be base64 and is not. */
  message(): Uint8Array;
}

/**
 * Reads the target of a GET. Undefined when it names no encoding of messages, or its headers name a type of content
 * that is none of Connect's: no other protocol has GET.
 */
export function readGetRequest(target: string, host: string, contentType = ""): GetRequest | undefined {
  if (contentType !== "" && !isOfConnect(contentType)) return undefined;
  const { href, searchParams } = new URL(target, `http://${host}`);
  const encoding = searchParams.get("encoding");
  if (encoding !== "json" && encoding !== "proto") return undefined;
  const protocol = wireProtocolOf(`application/${encoding}`, false);
  if (protocol === undefined) return undefined;
  return {
    protocol,
    url: href,
    compression: searchParams.get("compression"),
    message() {
      const text = searchParams.get("message") ?? "";
      return searchParams.get("base64") === "1" ? fromBase64(text) : Buffer.from(text);
    },
  };
}

/** Whether a content type is one of Connect's unary calls: only those have bare messages. */
function isOfConnect(contentType: string): boolean {
  const protocol = wireProtocolOf(contentType, false);
  return protocol !== undefined && protocol.endStream === undefined;
}

function fromBase64(text: string): Uint8Array {
  try {
    return base64Decode(text);
  } catch {
    throw fieldInvalid([{ field: "request", description: "is not valid base64" }]);
  }
}
