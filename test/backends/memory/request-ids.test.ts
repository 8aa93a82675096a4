import { expect, test } from "vitest";
import { RequestIds } from "../../../src/backends/memory/request-ids.js";
import { MAX_REQUEST_IDS, REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";

function createOf(number: number) {
  return { number: String(number), digest: "d", times: { createdAt: 0, runAfter: 0 } };
}

test("of too many request ids, those whose jobs are gone are forgotten first, then the oldest", () => {
  const ids = new RequestIds();
  for (let at = 0; at < MAX_REQUEST_IDS; at++) ids.add(`r${at}`, createOf(at), at);
  ids.jobGone("r7", "7", MAX_REQUEST_IDS);
  const has = (...names: string[]) => names.map((name) => ids.find(name, MAX_REQUEST_IDS) !== undefined);
  expect(has("r0", "r1", "r7")).toEqual([true, true, true]);
  ids.add("more", createOf(1e6), MAX_REQUEST_IDS);
  expect(has("r0", "r1", "r7", "more")).toEqual([true, true, false, true]);
  ids.add("still more", createOf(1e6 + 1), MAX_REQUEST_IDS);
  expect(has("r0", "r1", "more", "still more")).toEqual([false, true, true, true]);
});

test("a request id that was used again is not forgotten with its first job", () => {
  const ids = new RequestIds();
  ids.add("r", createOf(1), 0);
  ids.jobGone("r", "1", 1);
  expect(ids.find("r", REQUEST_ID_TTL_MS)).toBeUndefined();
  ids.add("r", createOf(2), REQUEST_ID_TTL_MS);
  ids.jobGone("r", "1", REQUEST_ID_TTL_MS);
  expect(ids.find("r", 3 * REQUEST_ID_TTL_MS)).toMatchObject({ number: "2" });
});
