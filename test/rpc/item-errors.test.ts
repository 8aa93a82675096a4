import { expect, test } from "vitest";
import { ANYBODY } from "../../src/access/caller.js";
import { jobNotFound, memoryFull, queueFull } from "../../src/model/common/errors.js";
import type { RpcCall } from "../../src/rpc/rpc-call.js";
import { createRpcRecorder } from "../../src/rpc/rpc-recorder.js";
import { recordingLogger } from "../support/logger.js";

const CALL: RpcCall = {
  method: "gotaskq.v1.JobService/BatchCreateJobs",
  requestId: "r",
  remoteAddress: undefined,
  caller: ANYBODY,
  spelling: "camelCase",
  protocolName: "connect",
  traceContext: undefined,
};

test("errors of items are counted by code, and said once where the server had no room", () => {
  const heard: string[] = [];
  const logger = recordingLogger();
  const observer = {
    rpcEnded: (_: string, code: string) => void heard.push(code),
    itemsRefused: (_: string, code: string, count: number) => void heard.push(`${code} ${count}`),
    streams() {},
  };
  const recorder = createRpcRecorder({ observer, logger, maxStreams: 1 });
  const itemErrors = [queueFull("q", 1), memoryFull(), jobNotFound("1"), memoryFull()];
  recorder.succeeded({ ...CALL, itemErrors }, 0);
  expect(heard).toEqual(["ok", "resource_exhausted 3", "not_found 1"]);
  const warned = logger.lines.filter(({ level }) => level === "warn");
  expect(warned).toHaveLength(1);
  expect(warned[0]).toMatchObject({ fields: { reason: "QUEUE_FULL", method: CALL.method } });
  const [ended] = logger.lines.filter(({ level }) => level === "debug");
  expect(ended).toMatchObject({ fields: { code: "ok", refused_items: 4 } });
  recorder.succeeded(CALL, 0);
  expect(heard.slice(3)).toEqual(["ok"]);
});
