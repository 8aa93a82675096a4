import type { Registry } from "@bufbuild/protobuf";
import { LIMITS } from "../model/common/limits.js";
import type { DecodeLimits } from "../wire/decode-error.js";
import { ERROR_DETAILS } from "../wire/error-details.js";

/** Most levels of nested messages. Allows a payload as deep as `LIMITS` allows, at up to three messages per level. */
const RECURSION_LIMIT = 4 * LIMITS.payloadDepth;

/**
 * A misspelt field, an unknown enum value or text that is not UTF-8 must be refused, not ignored. Zeros are written
 * out, so that readers see them.
 */
export const JSON_OPTIONS = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
  recursionLimit: RECURSION_LIMIT,
  registry: ERROR_DETAILS,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/** How binary messages are read. */
export const BINARY_OPTIONS = { recursionLimit: RECURSION_LIMIT };

/** What a message may have: what is over one of these is refused while it is read. */
export const DECODE_LIMITS: DecodeLimits = {
  depth: LIMITS.payloadDepth,
  values: LIMITS.payloadValues,
  messageValues: LIMITS.messageValues,
  entries: LIMITS.listEntries,
  mapEntries: LIMITS.batch * LIMITS.metadataEntries,
};

/** What a set of services may ask for in the reading and writing of its messages. */
export interface WireOptions {
  /** Bytes of a message of a client, decompressed. Default `LIMITS.messageBytes`. */
  readonly readMaxBytes?: number | undefined;
  /** The types that a google.protobuf.Any may hold where messages are JSON. Default: `ERROR_DETAILS`. */
  readonly registry?: Registry | undefined;
  /**
   * Whether the refusal of a request that cannot be read says so in details, as all errors of this server do. Default
   * true; Connect's conformance suite allows none.
   */
  readonly hasFaultDetails?: boolean | undefined;
  /** Whether errors say the id of the request. Default true; the suite allows no details but those of the methods. */
  readonly hasRequestInfo?: boolean | undefined;
}
