import * as library from "gotaskq";
import * as client from "gotaskq/client";
import * as web from "gotaskq/client/web";
import { expect, test, vi } from "vitest";
import { fieldInvalid, TaskQueueError } from "../../../src/model/common/errors.js";

test("an error is found by the class of every entry point, and of another copy of the package", async () => {
  vi.resetModules();
  const { TaskQueueError: Other } = await import("../../../src/model/common/errors.js");
  expect(Other).not.toBe(TaskQueueError);
  const error = fieldInvalid([{ field: "type", description: "is bad" }]);
  for (const Class of [TaskQueueError, Other, library.TaskQueueError, client.TaskQueueError, web.TaskQueueError]) {
    expect(error instanceof Class).toBe(true);
    expect(new Class("QUEUE_FULL", "full") instanceof TaskQueueError).toBe(true);
    for (const none of [null, undefined, 5, "x", {}, new Error("x")]) expect(none instanceof Class).toBe(false);
  }
  expect(Object.keys(error)).not.toContain("Symbol(gotaskq.TaskQueueError)");
  expect(Reflect.ownKeys(error).filter((key) => typeof key === "symbol")).toEqual([]);
});

test("a class that extends it has instances of its own only", () => {
  class Own extends TaskQueueError {}
  expect(new Own("QUEUE_FULL", "full") instanceof Own).toBe(true);
  expect(new Own("QUEUE_FULL", "full") instanceof TaskQueueError).toBe(true);
  expect(new TaskQueueError("QUEUE_FULL", "full") instanceof Own).toBe(false);
});
