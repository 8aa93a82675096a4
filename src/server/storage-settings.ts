import type { RedisTls } from "../backends/redis/link/tls.js";
import type { StorageSettings } from "../storage.js";
import type { Config } from "./config/config.js";

/** Returns the settings of what keeps the jobs that belong to this configuration. `redisTls`: for a Redis that is reached by TLS. */
export function storageSettings(config: Config, redisTls?: RedisTls): StorageSettings {
  const { redis } = config;
  return { ...config, redisUrl: redis?.url, redisPrefix: redis?.prefix, redisTls };
}
