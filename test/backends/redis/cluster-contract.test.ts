import { Cluster } from "ioredis";
import { afterAll, beforeAll, describe } from "vitest";
import { type RedisCluster, startRedisCluster } from "../../support/redis.js";
import { describeChangeLog } from "../contract/change-log.js";
import { describeEnqueue } from "../contract/enqueue.js";
import { openWith } from "../contract/harness.js";
import { describeModel } from "../contract/model.js";
import { describeNotices } from "../contract/notices.js";
import { describeQueues } from "../contract/queues.js";
import { createRedisHarness, type HarnessRedis } from "../contract/redis-harness.js";

let cluster: RedisCluster;
let admin: Cluster;
let redis: HarnessRedis;

beforeAll(async () => {
  cluster = await startRedisCluster();
  admin = new Cluster([...cluster.addresses]);
  redis = {
    url: cluster.url,
    set: (key, value) => admin.set(key, value),
    publishers: cluster.nodes.map((node) => {
      const client = node.client();
      return (channel: string, message: string) => client.publish(channel, message);
    }),
    // Not needed: the cluster ends with this file.
    clear: async () => {},
  };
});
afterAll(() => admin.disconnect());

const harness = createRedisHarness(() => redis);
const open = openWith(harness);

// The model covers every operation. These topics are those where queues in several slots make a difference.
describe("the Redis Cluster backend", () => {
  describeEnqueue(open);
  describeQueues(open);
  describeChangeLog(open);
  describeNotices(open);
  describeModel(harness, 6);
});
