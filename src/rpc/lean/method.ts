import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { type Compression, createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { LIMITS } from "../../core/limits.js";
import { BINARY_OPTIONS, JSON_OPTIONS } from "../wire-options.js";
import type { CallContext } from "./context.js";

/** Bytes and messages of one method in one encoding. Each throws what connect throws. */
export interface Codec {
  parse(bytes: Uint8Array): Message;
  /** Takes a message, or as a service may answer, the beginnings of one. */
  serialize(message: Message): Uint8Array<ArrayBuffer>;
}

/** One method as the lean path runs it. */
export interface LeanMethod {
  /** As in `gotaskq.v1.JobService/GetJob`. */
  readonly name: string;
  readonly isStream: boolean;
  readonly binary: Codec;
  readonly json: Codec;
  /** The implementation: answers a message or a promise of one, or a stream of messages. */
  readonly run: (input: Message, context: CallContext) => unknown;
}

/** How an answer may be compressed; null: not at all. */
export type Negotiated = Compression | null;

/** Makes a method of its description and implementation; undefined when its kind is left to connect. */
export function createLeanMethod(desc: DescMethod, run: LeanMethod["run"]): LeanMethod | undefined {
  if (desc.methodKind !== "unary" && desc.methodKind !== "server_streaming") return undefined;
  const limits = { readMaxBytes: LIMITS.messageBytes, writeMaxBytes: 0xffffffff };
  const lookup = createMethodSerializationLookup(desc, BINARY_OPTIONS, JSON_OPTIONS, limits);
  const codec = (isBinary: boolean): Codec => {
    const { parse } = lookup.getI(isBinary);
    const { serialize } = lookup.getO(isBinary);
    return { parse, serialize: (message) => serialize(create(desc.output, message)) };
  };
  return {
    name: `${desc.parent.typeName}/${desc.name}`,
    isStream: desc.methodKind === "server_streaming",
    binary: codec(true),
    json: codec(false),
    run,
  };
}
