import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { errorText } from "../model/common/describe-error.js";

/**
 * A token of the server, or a function that answers the one to send: it is called for each try of each call, so it should remember
 * its answer. While it fails, calls are tried again as while the server is away.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** Headers of a call, by name. */
export type CallHeaders = Readonly<Record<string, string>>;

/** Headers of calls, or a function that answers those to send: as for `TokenSource`. */
export type HeaderSource = CallHeaders | (() => CallHeaders | Promise<CallHeaders>);

/** What sends the token with every call; nothing without one. */
export function sendToken(token: TokenSource | undefined): Interceptor[] {
  if (token === undefined) return [];
  return [
    (next) => async (request) => {
      request.header.set("authorization", await bearer(token));
      return next(request);
    },
  ];
}

/** The token that all calls have, which transports send; undefined: there is none, or each call asks for its own. */
export function constantToken(token: TokenSource | undefined): string | undefined {
  return typeof token === "function" ? undefined : token;
}

/**
 * Returns what makes the headers of a try: those of the client, in their place those of the call, and the token where each call asks for
 * it, instead of what they say of it. A promise, which rejects with UNAVAILABLE while they cannot be told, only where a function is asked.
 * The token that all calls have is sent by the transport.
 */
export function createHeaders({
  headers: given,
  token,
}: {
  readonly headers?: HeaderSource | undefined;
  readonly token?: TokenSource | undefined;
}): (own: CallHeaders | undefined) => CallHeaders | undefined | Promise<CallHeaders> {
  if (typeof given !== "function" && typeof token !== "function") {
    return (own) => (own === undefined ? given : merged(given, own));
  }
  return async (own) => {
    const headers = merged(typeof given === "function" ? await asked("there are no headers", given) : given, own);
    return typeof token === "function" ? merged(headers, { authorization: await bearer(token) }) : headers;
  };
}

/** Names of headers know no case. */
function merged(headers: CallHeaders | undefined, own: CallHeaders | undefined): CallHeaders {
  if (own === undefined) return headers ?? {};
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  const others = Object.entries(headers ?? {}).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(others), ...own };
}

/** The header that sends a token. Rejects with UNAVAILABLE while there is none. */
export function bearer(token: TokenSource): string | Promise<string> {
  return typeof token === "string"
    ? `Bearer ${token}`
    : asked("there is no token", token).then((text) => `Bearer ${text}`);
}

async function asked<T>(problem: string, source: () => T | Promise<T>): Promise<T> {
  try {
    return await source();
  } catch (error) {
    throw new ConnectError(`${problem}: ${errorText(error)}`, Code.Unavailable, undefined, undefined, error);
  }
}
