import { beforeAll } from "vitest";
import { startSharedRedis } from "../../support/redis.js";
import { createRedisHarness, type HarnessRedis, oneServer } from "./redis-harness.js";
import { backendContract } from "./suite.js";

let redis: HarnessRedis;
beforeAll(async () => {
  redis = oneServer(await startSharedRedis());
});

backendContract(
  "Redis",
  createRedisHarness(() => redis),
  15,
);
