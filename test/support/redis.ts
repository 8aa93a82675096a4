import { afterAll } from "vitest";
import { disposeAllRedis } from "./redis-server.js";

// What tests import: every Redis that a test file starts ends with it. Programs that are no tests import the files
// below and dispose by themselves.
afterAll(disposeAllRedis);

export { type RedisCluster, startRedisCluster } from "./redis-cluster.js";
export { type RedisSentinel, startSentinel } from "./redis-sentinel.js";
export { type RedisServer, startRedis, startSharedRedis, type UsableRedis } from "./redis-server.js";
