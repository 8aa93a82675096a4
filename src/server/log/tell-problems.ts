import { StoreUnusable } from "../../backends/file/store-unusable.js";
import { RedisUnusable } from "../../backends/redis/link/check-server.js";
import { ConfigError } from "../config/config.js";
import type { ProcessLog } from "./process-log.js";
import { StartRefused } from "./start-refused.js";

/** Codes of Node for an address where this process cannot listen. */
const CANNOT_LISTEN = new Set(["EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "ENOTFOUND"]);

/** What is wrong with the configuration that a start failed with. */
export interface Refusal {
  /** Each begins with its variable. */
  readonly problems: readonly string[];
  /** Whether the variables themselves are not valid, and not what they name. */
  readonly isInvalid: boolean;
}

/** Why a start failed; undefined when the configuration is not at fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  const problems = problemsOf(error);
  return problems && { problems, isInvalid: error instanceof ConfigError };
}

function problemsOf(error: unknown): readonly string[] | undefined {
  if (error instanceof ConfigError || error instanceof StartRefused) return error.problems;
  if (error instanceof StoreUnusable) return [`DATA_DIR: ${error.message}`];
  if (error instanceof RedisUnusable) return [`REDIS_URL: ${error.message}`];
  const { code = "", message } = error as NodeJS.ErrnoException;
  return CANNOT_LISTEN.has(code) ? [`HOST, PORT: cannot listen there: ${message}`] : undefined;
}

/**
 * Tells why the server does not start: a line a problem, in the log or, for people at a terminal, by `complain`. Returns
 * whether the configuration is at fault.
 */
export function tellProblems(log: ProcessLog, error: unknown, complain: (text: string) => void): boolean {
  const { problems, isInvalid = false } = refusalOf(error) ?? {};
  if (log.format === "pretty") {
    if (problems === undefined) complain(`the server could not start: ${error instanceof Error ? error.stack : error}`);
    else if (isInvalid) complain(["the configuration is not valid:", ...problems].join("\n  "));
    else complain(problems.join("\n"));
  } else if (problems === undefined) log.life.fatal({ err: error }, "the server could not start");
  for (const problem of log.format === "json" ? (problems ?? []) : []) {
    log.life.fatal({ variable: /^([A-Z][A-Z0-9_, ]*): /.exec(problem)?.[1] }, problem);
  }
  return problems !== undefined;
}
