import type { Connection } from "../options/connection.js";

/** How to run handlers. Durations in ms. */
export interface WorkSettings {
  /** Path of the module of handlers. */
  readonly module: string;
  readonly name: string | undefined;
  /** Default: all. */
  readonly queues: readonly string[] | undefined;
  /** Handlers that run at the same time. */
  readonly concurrency: number;
  readonly prefetch: number;
  readonly leaseMs: number | undefined;
  readonly stopTimeoutMs: number;
}

/** What a child is given as its argument: how to reach the server is in its environment, where others do not see the token. */
export interface ChildArgument {
  /** From 1 on. */
  readonly number: number;
  readonly settings: WorkSettings;
}

/** The variables by which a child reaches the server of its parent. */
export function connectionVariables(
  { urls }: Connection,
  { token, tokenFile, tlsCa, tlsCert, tlsKey, tlsServerName }: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const isTokenGiven = token !== undefined || tokenFile !== undefined;
  const given = {
    GOTASKQ_URL: urls.join(","),
    // Empty: what the environment of the parent says does not count.
    GOTASKQ_TOKEN: isTokenGiven ? (token ?? "") : undefined,
    GOTASKQ_TOKEN_FILE: isTokenGiven ? (tokenFile ?? "") : undefined,
    GOTASKQ_TLS_CA: tlsCa,
    GOTASKQ_TLS_CERT: tlsCert,
    GOTASKQ_TLS_KEY: tlsKey,
    GOTASKQ_TLS_SERVER_NAME: tlsServerName,
  };
  return Object.fromEntries(Object.entries(given).filter((each): each is [string, string] => each[1] !== undefined));
}

/** What each of some processes has of the handlers that run at the same time. */
export function shareOfConcurrency(total: number, processes: number, at: number): number {
  return Math.floor(total / processes) + (at < total % processes ? 1 : 0);
}
