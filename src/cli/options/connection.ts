import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { NodeClientOptions } from "../../client/index.js";
import { errorText } from "../../model/common/describe-error.js";
import { UsageError } from "../command-error.js";
import type { Io } from "../io.js";
import { duration, someText } from "./values.js";

/** Where a server is unless somebody says otherwise. */
const DEFAULT_URL = "http://127.0.0.1:8000";

/** How long a call is tried again while the server is away, ms. */
const DEFAULT_RETRY_MS = 5000;

/** What the options of a connection come to. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
  readonly callTimeout?: number;
  readonly retry?: number;
}

/** Which server to call, and how. */
export interface Connection {
  /** In the order in which they are tried. */
  readonly urls: readonly string[];
  readonly options: Pick<NodeClientOptions, "token" | "tls" | "timeoutMs" | "retryMs">;
}

/** Adds the options of a connection to a command, under a heading of their own. */
export function addConnectionOptions(command: Command): Command {
  return command
    .optionsGroup("Connection:")
    .option("--url <url>", `the server, or several parted by commas (GOTASKQ_URL; ${DEFAULT_URL})`)
    .option("--token <token>", "who calls (GOTASKQ_TOKEN, which others of this machine cannot see)", someText)
    .option("--token-file <file>", "the same in a file, read for each call (GOTASKQ_TOKEN_FILE)", someText)
    .option("--tls-ca <file>", "PEM file of who vouches for the server (GOTASKQ_TLS_CA)")
    .option("--tls-cert <file>", "PEM file of a certificate to show (GOTASKQ_TLS_CERT)")
    .option("--tls-key <file>", "PEM file of its key (GOTASKQ_TLS_KEY)")
    .option("--tls-server-name <name>", "the name in the certificate of the server (GOTASKQ_TLS_SERVER_NAME)")
    .option("--call-timeout <duration>", "how long one call may take (30s)", duration)
    .option("--retry <duration>", "for how long a call is tried again while the server is away (5s)", duration);
}

/** Which server to call: options come before the environment. Throws a `UsageError` for what cannot be used. */
export function connectionOf(given: ConnectionOptions, env: Io["env"]): Connection {
  const text = (option: string | undefined, name: string) => option ?? (env[name]?.trim() || undefined);
  const file = (option: string | undefined, flag: string, name: string) => {
    const path = text(option, name);
    return path === undefined ? undefined : readText(path, option === undefined ? name : flag);
  };
  const urls = (text(given.url, "GOTASKQ_URL") ?? DEFAULT_URL).split(",").map((each) => toUrl(each.trim()));
  const tls = {
    ca: file(given.tlsCa, "--tls-ca", "GOTASKQ_TLS_CA"),
    cert: file(given.tlsCert, "--tls-cert", "GOTASKQ_TLS_CERT"),
    key: file(given.tlsKey, "--tls-key", "GOTASKQ_TLS_KEY"),
    serverName: text(given.tlsServerName, "GOTASKQ_TLS_SERVER_NAME"),
  };
  return {
    urls,
    options: {
      token: tokenOf(given, env),
      tls,
      timeoutMs: given.callTimeout ?? 30_000,
      retryMs: given.retry ?? DEFAULT_RETRY_MS,
    },
  };
}

function tokenOf({ token, tokenFile }: ConnectionOptions, env: Io["env"]): NodeClientOptions["token"] {
  if (token !== undefined && tokenFile !== undefined) throw new UsageError("--token and --token-file are the same");
  const path = tokenFile ?? (token === undefined && !env.GOTASKQ_TOKEN?.trim() ? env.GOTASKQ_TOKEN_FILE?.trim() : "");
  if (!path) return token ?? (env.GOTASKQ_TOKEN?.trim() || undefined);
  const read = () => readText(path, tokenFile === undefined ? "GOTASKQ_TOKEN_FILE" : "--token-file").trim();
  // Now, so that one that is not there is told at once. Later, a token that is changed is taken as it is then.
  read();
  return read;
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${name}: ${errorText(error)}`);
  }
}

/** A URL of a server; `host:port` is short for `http://host:port`. */
function toUrl(text: string): string {
  const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) {
    throw new UsageError(`--url: "${text}" is not a URL like ${DEFAULT_URL} or https://jobs.example.com`);
  }
  return url.replace(/\/+$/, "");
}
