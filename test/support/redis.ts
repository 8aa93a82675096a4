import { cleanup } from "./cleanup.js";
import { disposeAllRedis } from "./redis-server.js";

// For tests: every Redis that a test file starts ends with that file. Programs that are not tests import the files
// below and dispose of their servers themselves.
cleanup.afterEachFile(disposeAllRedis, true);

export { type RedisCluster, startRedisCluster } from "./redis-cluster.js";
export { type RedisSentinel, startSentinel } from "./redis-sentinel.js";
export { type RedisServer, startRedis, startSharedRedis, type UsableRedis } from "./redis-server.js";
