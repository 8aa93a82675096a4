import { describeError } from "./describe-error.js";

/** What the core needs of a logger; a pino logger is one. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Returns a logger that adds these fields to every line. */
  child(fields: object): Logger;
}

/** A logger that discards everything. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

/**
 * A logger for lines about what users' code did. It never throws, whatever the logger behind it does, and describes the
 * value in `err`, which may be anything that was thrown.
 */
export function guardedLogger(logger: Logger): Logger {
  const at = (level: "debug" | "info" | "warn" | "error") => (fields: object, message: string) => {
    try {
      logger[level]("err" in fields ? { ...fields, err: describeError(fields.err) } : fields, message);
    } catch {
      // There is nowhere left to tell it.
    }
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => guardedLogger(logger.child(fields)),
  };
}
