import type { Authorizer } from "../../access/authorizer.js";
import { AUTH_FAILURES, type AuthFailure, Gate } from "../../access/gate.js";
import { parseTokenFile } from "../../access/token-file.js";
import { checkTogether, type TokenRecord } from "../../access/token-record.js";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import { watchFiles } from "../config/watched-files.js";
import type { Meter } from "../metrics/meter.js";
import type { AccessConfig } from "./access-config.js";

/** Dependencies of the access to a server. */
export interface AccessDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** For lines that calls cause. */
  readonly callLogger: Logger;
  /** Counts the calls that are refused. */
  readonly meter: Meter;
  /** Processes behind the port. Default 1. */
  readonly processes?: number | undefined;
}

/** Who may call a server. */
export interface Access {
  /** Undefined: everybody. */
  readonly gate: Gate | undefined;
  /** Reads the file of tokens no more. */
  stop(): void;
}

/** Creates the access to a server; a file of tokens is read again whenever it changes. A broken one leaves the tokens as they were. */
export function createAccess(
  config: AccessConfig,
  { clock, logger, callLogger, meter, processes }: AccessDeps,
  authorizer: Authorizer | undefined,
): Access {
  const { tokens, file, isReflectionClosed } = config;
  if (tokens.length === 0 && file === undefined && authorizer === undefined) return { gate: undefined, stop() {} };
  const failures = meter.counter("gotaskq_auth_failures_total", "Calls refused for who makes them, by why.", {
    tellsZeros: true,
  });
  const series = new Map(AUTH_FAILURES.map((reason) => [reason, failures.series({ reason })]));
  const refused = (why: AuthFailure) => {
    const found = series.get(why);
    if (found !== undefined) found.value++;
  };
  const gate = new Gate(
    { clock, logger: callLogger, refused },
    { tokens: [...tokens, ...(file?.tokens ?? [])], authorizer, isReflectionClosed, processes },
  );
  if (file === undefined) return { gate, stop() {} };
  const watched = watchFiles([file.path], [file.content], clock, {
    changed([content]) {
      const all = [...tokens, ...readAgain(content, tokens)];
      gate.replace(all);
      logger.info({ tokens: all.length, path: file.path }, "AUTH_TOKENS_FILE has changed: its tokens are in force");
    },
    failed(error) {
      const message = "AUTH_TOKENS_FILE cannot be used as it is now; the tokens from before stay in force";
      logger.error({ err: error, path: file.path }, message);
    },
  });
  return { gate, stop: () => watched.stop() };
}

function readAgain(content: Buffer | undefined, others: readonly TokenRecord[]): readonly TokenRecord[] {
  const { records, problems } = parseTokenFile(String(content));
  const all = [...problems, ...checkTogether([...others, ...records], () => "with AUTH_TOKENS")];
  if (all.length > 0) throw new Error(all.join("; "));
  return records;
}
