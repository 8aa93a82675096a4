import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { errorText } from "../model/describe-error.js";

/**
 * A token of the server, or a function that answers the one to send: it is called for each try of each call, so it should remember
 * its answer. While it fails, calls are tried again as while the server is away.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** Headers of a call, by name. */
export type CallHeaders = Readonly<Record<string, string>>;

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

/** Headers with what says who calls, instead of what they say of it. Rejects with UNAVAILABLE while there is no token. */
export async function withToken(headers: CallHeaders | undefined, token: TokenSource): Promise<CallHeaders> {
  const others = Object.entries(headers ?? {}).filter(([name]) => name.toLowerCase() !== "authorization");
  return { ...Object.fromEntries(others), authorization: await bearer(token) };
}

/** The header that sends a token. Rejects with UNAVAILABLE while there is none. */
export function bearer(token: TokenSource): string | Promise<string> {
  return typeof token === "string" ? `Bearer ${token}` : asked(token);
}

async function asked(token: () => string | Promise<string>): Promise<string> {
  try {
    return `Bearer ${await token()}`;
  } catch (error) {
    throw new ConnectError(`there is no token: ${errorText(error)}`, Code.Unavailable, undefined, undefined, error);
  }
}
