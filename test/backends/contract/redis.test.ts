import { beforeAll } from "vitest";
import { startSharedRedis, type UsableRedis } from "../../support/redis.js";
import { createRedisHarness } from "./redis-harness.js";
import { backendContract } from "./suite.js";

let redis: UsableRedis;
beforeAll(async () => {
  redis = await startSharedRedis();
});

backendContract(
  "Redis",
  createRedisHarness(() => redis),
  100,
);
