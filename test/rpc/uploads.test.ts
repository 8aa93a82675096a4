import { expect, test } from "vitest";
import { seriesValue } from "../support/metrics.js";
import { payload } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { GRPC } from "../support/transports.js";

test("a client that sends much in large messages, one after the other, is no flood", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const { jobs } = server.connect(GRPC);
  const requests = Array.from({ length: 4 }, () => ({ type: "large", payloadKind: payload("x".repeat(900_000)) }));
  // 36 MB on one connection, several times what a connection may send beside requests.
  for (let round = 0; round < 10; round++) await jobs.batchCreateJobs({ requests });
  const page = await server.metrics();
  expect(seriesValue(page, 'gotaskq_connections_refused_total{reason="flood"}')).toBeUndefined();
});
