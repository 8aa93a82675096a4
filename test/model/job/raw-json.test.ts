import * as library from "gotaskq";
import * as client from "gotaskq/client";
import * as web from "gotaskq/client/web";
import * as handlers from "gotaskq/handlers";
import { expect, test, vi } from "vitest";
import { RawJson } from "../../../src/model/job/raw-json.js";
import { toPayload } from "../../../src/model/request/payload.js";

test("JSON text is found by the class of every entry point, and of another copy of the package; nothing in JSON passes for it", async () => {
  vi.resetModules();
  const { RawJson: Other } = await import("../../../src/model/job/raw-json.js");
  expect(Other).not.toBe(RawJson);
  for (const Class of [RawJson, Other, library.RawJson, client.RawJson, web.RawJson, handlers.RawJson]) {
    expect(toPayload(new Class("[1.0]"), "payload")).toBe("[1.0]");
    expect(new Class("1") instanceof RawJson).toBe(true);
    for (const none of [null, undefined, 5, "x", {}, JSON.parse('{"text":"1","Symbol(gotaskq.RawJson)":true}')]) {
      expect(none instanceof Class).toBe(false);
    }
  }
  expect(Reflect.ownKeys(new RawJson("1"))).toEqual(["text"]);
});

test.each([
  ["what is no text", 5, "is not JSON text"],
  ["what is not JSON", "{a:1}", "is not JSON: "],
  ["nothing", "", "is not JSON: "],
  ["half of a surrogate pair", '"\ud800"', "well-formed"],
  ["the escape of one", '"\\ud800"', "well-formed"],
])("%s is refused", (_what, text, problem) => {
  expect(() => toPayload(new RawJson(text as string), "payload")).toThrow(problem);
});
