import { EnvReader } from "./env-reader.js";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

const LOG_FORMATS = ["auto", "json", "pretty"] as const;

/** What LOG_LEVEL and LOG_FORMAT say. */
export interface LogSettings {
  /** Lines below it are not written; those of the start and the end always are. */
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** `auto`: `pretty` on a terminal, else `json`. */
  readonly logFormat: (typeof LOG_FORMATS)[number];
}

/** Reads how to log. Problems are left with `env`. */
export function readLogSettings(env: EnvReader): LogSettings {
  return {
    logLevel: env.choice("LOG_LEVEL", "info", LOG_LEVELS),
    logFormat: env.choice("LOG_FORMAT", "auto", LOG_FORMATS),
  };
}

/** Reads how to log before anything else is read, so that problems are told in this way. A bad value reads as its default. */
export function guessLogSettings(environment: Readonly<Record<string, string | undefined>>): LogSettings {
  return readLogSettings(new EnvReader(environment));
}
