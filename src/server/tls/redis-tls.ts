import type { RedisTls } from "../../backends/redis/link/tls.js";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import type { EnvReader } from "../config/env-reader.js";
import { type WatchedFiles, watchFiles } from "../config/watched-files.js";
import { hasGoodFiles, readCertificates, readPair, readPemFile } from "./pem.js";

/** TLS of the connections to Redis: the files as they were read at the start, and where they are. */
export interface RedisTlsConfig {
  /** The authorities that vouch for Redis, the certificate to show, and its key; those that are given. */
  readonly paths: readonly string[];
  /** What is in them, in the same order. */
  readonly contents: readonly Buffer[];
  /** What each of them is, in the same order. */
  readonly uses: readonly Use[];
  readonly serverName: string | undefined;
}

type Use = "ca" | "cert" | "key";

const VARIABLES: Readonly<Record<Use, string>> = {
  ca: "REDIS_TLS_CA",
  cert: "REDIS_TLS_CERT",
  key: "REDIS_TLS_KEY",
};

/** Reads the variables of TLS to Redis, and the files they name. Undefined: none is set, or there are problems. */
export function readRedisTls(env: EnvReader, url: string): RedisTlsConfig | undefined {
  const named = (Object.keys(VARIABLES) as Use[]).filter((use) => env.isSet(VARIABLES[use]));
  const serverName = env.text("REDIS_TLS_SERVER_NAME");
  const set = named.map((use) => VARIABLES[use]);
  if (serverName !== undefined) set.push("REDIS_TLS_SERVER_NAME");
  if (set.length === 0) return undefined;
  if (!url.startsWith("rediss")) {
    for (const name of set) env.problem(name, "needs a REDIS_URL that begins with rediss");
    return undefined;
  }
  if (named.includes("cert") !== named.includes("key")) {
    const [missing, other] = named.includes("cert") ? (["key", "cert"] as const) : (["cert", "key"] as const);
    env.problem(VARIABLES[missing], `is required with ${VARIABLES[other]}`);
  }
  const paths = named.map((use) => env.text(VARIABLES[use]) ?? "");
  const contents = paths.map((path, index) => readPemFile(env, VARIABLES[named[index] ?? "ca"], path));
  if (!contents.every((content) => content !== undefined)) return undefined;
  if (!hasGoodFiles(env, () => toTls(named, contents))) return undefined;
  return { paths, contents, uses: named, serverName };
}

/** TLS to Redis that goes with its files. */
export interface WatchedRedisTls extends RedisTls {
  /** Reads no files any more. Idempotent. */
  stop(): void;
}

/** Watches the files: connections to come are made with what is in them. Files that cannot be used are logged, and change nothing. */
export function watchRedisTls(config: RedisTlsConfig, clock: Clock, logger: Logger): WatchedRedisTls {
  const { paths, uses, serverName } = config;
  // Its fields are read at each new connection.
  const tls = { ...toTls(uses, config.contents), serverName };
  const files: WatchedFiles = watchFiles(paths, config.contents, clock, {
    changed(contents) {
      Object.assign(tls, toTls(uses, contents));
      logger.info({ files: paths }, "the files of TLS to Redis were read again");
    },
    failed(err) {
      logger.error({ err, files: paths }, "the files of TLS to Redis cannot be used: the old ones stay in use");
    },
  });
  return Object.assign(tls, { stop: () => files.stop() });
}

/** Throws a `PemError` for files that cannot be used. */
function toTls(uses: readonly Use[], contents: readonly Buffer[]): Partial<Record<Use, Buffer>> {
  const found: Partial<Record<Use, Buffer>> = Object.fromEntries(uses.map((use, index) => [use, contents[index]]));
  const { ca, cert, key } = found;
  if (ca !== undefined) readCertificates(VARIABLES.ca, ca);
  if (cert !== undefined && key !== undefined) readPair({ cert, key, variables: VARIABLES });
  return found;
}
