import { expect, test } from "vitest";
import { RequestIds } from "../../../src/backends/memory/request-ids.js";
import { MAX_REQUEST_IDS, REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";

/** A queue that remembers creates with request ids. */
function openIds() {
  const ids = new RequestIds();
  const add = (requestId: string, number: number, at: number) =>
    ids.add({ requestId, number: String(number) }, "d", { createdAt: 0, runAfter: 0 }, at);
  return { ids, add };
}

test("of too many request ids, those whose jobs are gone are forgotten first, then the oldest", () => {
  const { ids, add } = openIds();
  for (let at = 0; at < MAX_REQUEST_IDS; at++) add(`r${at}`, at, at);
  ids.jobGone("r7", "7", MAX_REQUEST_IDS);
  const has = (...names: string[]) => names.map((name) => ids.find(name, MAX_REQUEST_IDS) !== undefined);
  expect(has("r0", "r1", "r7")).toEqual([true, true, true]);
  add("more", 1e6, MAX_REQUEST_IDS);
  expect(has("r0", "r1", "r7", "more")).toEqual([true, true, false, true]);
  add("still more", 1e6 + 1, MAX_REQUEST_IDS);
  expect(has("r0", "r1", "more", "still more")).toEqual([false, true, true, true]);
});

test("a request id that was used again is not forgotten with its first job", () => {
  const { ids, add } = openIds();
  add("r", 1, 0);
  ids.jobGone("r", "1", 1);
  expect(ids.find("r", REQUEST_ID_TTL_MS)).toBeUndefined();
  add("r", 2, REQUEST_ID_TTL_MS);
  ids.jobGone("r", "1", REQUEST_ID_TTL_MS);
  expect(ids.find("r", 3 * REQUEST_ID_TTL_MS)).toMatchObject({ number: "2" });
});

test("an automatic request id is remembered for its time, also when its job is gone, but not with the record of that", () => {
  const { ids, add } = openIds();
  add("auto:1", 1, 0);
  const found = ids.find("auto:1", 0);
  const record = found?.job;
  ids.jobGone("auto:1", "1", 1);
  const times = { createdAt: 0, runAfter: 0 };
  expect(ids.find("auto:1", REQUEST_ID_TTL_MS - 1)).toMatchObject({ number: "1", digest: "d", times, met: undefined });
  expect(ids.get("auto:1")?.job).not.toBe(record);
  expect(ids.find("auto:1", REQUEST_ID_TTL_MS)).toBeUndefined();
});
