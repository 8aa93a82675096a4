import { LIMITS } from "../model/limits.js";

/** Nesting of messages: lets a payload of the depth that `LIMITS` allows through, at up to three messages a level. */
const RECURSION_LIMIT = 4 * LIMITS.payloadDepth;

/**
 * A misspelt field, an unknown enum value or bytes that are no UTF-8 must not be passed over in silence; zeros are worth
 * reading.
 */
export const JSON_OPTIONS = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
  recursionLimit: RECURSION_LIMIT,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/** How binary messages are read. */
export const BINARY_OPTIONS = { recursionLimit: RECURSION_LIMIT };

/** Longest deadline a client may ask for: what Node's timers take. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;
