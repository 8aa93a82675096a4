import { readFileSync } from "node:fs";
import { parseTokens } from "../../access/parse-tokens.js";
import { parseTokenFile } from "../../access/token-file.js";
import { checkTogether, type TokenRecord } from "../../access/token-record.js";
import type { EnvReader } from "../config/env-reader.js";
import { isLoopback } from "../config/loopback.js";

/** Who may call, as configured. */
export interface AccessConfig {
  /** Tokens of AUTH_TOKENS. */
  readonly tokens: readonly TokenRecord[];
  /** The file of AUTH_TOKENS_FILE, as it was read. */
  readonly file: TokenFile | undefined;
  /** Path of a module with an authorizer. */
  readonly authorizer: string | undefined;
  readonly isReflectionClosed: boolean;
  readonly areMetricsOpen: boolean;
}

/** Whether a server asks who calls, by what its variables say. */
export function asksForToken({ tokens, file, authorizer }: AccessConfig): boolean {
  return tokens.length > 0 || file !== undefined || authorizer !== undefined;
}

/** A file of tokens. */
export interface TokenFile {
  readonly path: string;
  readonly content: Buffer;
  readonly tokens: readonly TokenRecord[];
}

/** What says who may call. */
const VARIABLES = ["AUTH_TOKENS", "AUTH_TOKENS_FILE", "AUTHORIZER"] as const;

/**
 * Reads who may call. A server that others can reach must say so: without tokens it is refused unless AUTH=none.
 * `hasAuthorizer`: whether one is given in another way than by AUTHORIZER.
 */
export function readAccess(env: EnvReader, host: string, hasAuthorizer: boolean): AccessConfig {
  const auth = env.choice("AUTH", "tokens", ["tokens", "none"]);
  const tokens = readTokens(env);
  const file = readFile(env);
  const authorizer = env.text("AUTHORIZER");
  for (const problem of checkTogether([...tokens, ...(file?.tokens ?? [])], () => "with AUTH_TOKENS")) {
    if (file !== undefined) env.problem("AUTH_TOKENS_FILE", problem);
  }
  const isGiven = VARIABLES.filter((name) => env.isSet(name));
  if (auth === "none" && (isGiven.length > 0 || hasAuthorizer)) {
    env.problem(
      "AUTH",
      `none asks for no token, and ${isGiven.join(", ") || "an authorizer"} is given: unset one of them`,
    );
  }
  if (auth !== "none" && isGiven.length === 0 && !hasAuthorizer) checkOpen(env, host);
  return {
    tokens,
    file,
    authorizer,
    isReflectionClosed: env.choice("AUTH_REFLECTION", "none", ["none", "token"]) === "token",
    areMetricsOpen: env.choice("AUTH_METRICS", "read", ["read", "none"]) === "none",
  };
}

/** Checks that a server where nothing says who may call may let everybody in: that somebody meant it to ask is a problem anywhere. */
function checkOpen(env: EnvReader, host: string): void {
  const blank = VARIABLES.filter((name) => env.isBlank(name));
  for (const name of blank)
    env.problem(name, "is empty, and nothing else says who may call: unset it to let everybody");
  if (blank.length > 0) return;
  const how = "set AUTH_TOKENS, AUTH_TOKENS_FILE or AUTHORIZER, or AUTH=none to let everybody";
  if (!isLoopback(host)) {
    env.problem("HOST", `"${host}" can be reached by others, and nothing says who may call: ${how}`);
  } else if (env.text("AUTH") === "tokens")
    env.problem("AUTH", `tokens are to be asked for, and none is known: ${how}`);
}

function readTokens(env: EnvReader): readonly TokenRecord[] {
  const text = env.text("AUTH_TOKENS");
  if (text === undefined) return [];
  const { records, problems } = parseTokens(text);
  for (const problem of problems) env.problem("AUTH_TOKENS", problem);
  return records;
}

function readFile(env: EnvReader): TokenFile | undefined {
  const path = env.text("AUTH_TOKENS_FILE");
  if (path === undefined) return undefined;
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    // Not the whole message: it shows the path, and somebody may have put a token there.
    env.problem("AUTH_TOKENS_FILE", `cannot be read: ${(error as NodeJS.ErrnoException).code ?? "no access"}`);
    return undefined;
  }
  const { records, problems } = parseTokenFile(content.toString());
  for (const problem of problems) env.problem("AUTH_TOKENS_FILE", problem);
  return { path, content, tokens: records };
}
