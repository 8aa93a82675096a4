import { LIMITS } from "../model/limits.js";

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
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/** How binary messages are read. */
export const BINARY_OPTIONS = { recursionLimit: RECURSION_LIMIT };

/** The longest deadline a client may ask for, ms: the most that Node's timers take. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;
