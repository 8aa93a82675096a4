import { expect, test } from "vitest";
import { Violations } from "../../../src/model/request/violations.js";
import { toPayload } from "../../../src/rpc/services/convert-payload.js";

test("the bytes of a payload are its own, and not a part of the request that they came in", () => {
  const request = Buffer.alloc(1000, 7);
  const value = request.subarray(10, 12);
  const payload = toPayload(new Violations(), "payload", { case: "payloadBytes", value }) as Uint8Array;
  request.fill(0);
  expect([...payload]).toEqual([7, 7]);
  expect(payload.buffer.byteLength).toBe(2);
});
