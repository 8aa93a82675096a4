import { isLogged, type Logger } from "../model/log/logger.js";

/** How often the same is told again while a server is away, ms. */
const TELL_AGAIN_MS = 10_000;

/**
 * A logger of a worker that tells briefly that its server is away: why, but not where the program was then, and the same no more than
 * each 10 s. The worker tries again and again. `now`: ms on a clock that never goes back.
 */
export function createBriefLogger(logger: Logger, now: () => number, toldAt = new Map<string, number>()): Logger {
  const at = (level: "warn" | "error") => (fields: object, message: string) => {
    // The worker may have made a description of it.
    const { err, ...others } = fields as { readonly err?: { readonly code?: unknown; readonly message?: unknown } };
    if (err?.code !== "UNAVAILABLE") return logger[level](fields, message);
    const last = toldAt.get(message);
    if (last !== undefined && now() - last < TELL_AGAIN_MS) return;
    toldAt.set(message, now());
    logger[level]({ ...others, problem: err.message }, message);
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createBriefLogger(logger.child(fields), now, toldAt),
    isLevelEnabled: (level) => isLogged(logger, level),
  };
}
