import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { errorText } from "../model/describe-error.js";

/**
 * A token of the server, or a function that answers the one to send: it is called for each try of each call, so it should remember
 * its answer. While it fails, calls are tried again as while the server is away.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** What sends the token with every call; nothing without one. */
export function sendToken(token: TokenSource | undefined): Interceptor[] {
  if (token === undefined) return [];
  return [
    (next) => async (request) => {
      request.header.set("authorization", `Bearer ${await tokenOf(token)}`);
      return next(request);
    },
  ];
}

async function tokenOf(token: TokenSource): Promise<string> {
  if (typeof token === "string") return token;
  try {
    return await token();
  } catch (error) {
    throw new ConnectError(`there is no token: ${errorText(error)}`, Code.Unavailable, undefined, undefined, error);
  }
}
