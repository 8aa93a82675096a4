import { describe, expect, test } from "vitest";
import type { FieldViolation, TaskQueueError } from "../../../src/model/common/errors.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import { Violations } from "../../../src/model/request/violations.js";

/** The violations that checks find. */
function found(check: (violations: Violations) => void): readonly FieldViolation[] {
  const violations = new Violations();
  check(violations);
  return violations.list;
}

/** The error that is thrown for the violations; undefined if there are none. */
function thrown(violations: Violations): TaskQueueError | undefined {
  try {
    violations.throwIfAny();
    return undefined;
  } catch (error) {
    return error as TaskQueueError;
  }
}

describe("a field that is refused", () => {
  test.each<[string, (violations: Violations) => void, string]>([
    ["a list that is too short", (all) => all.count("field", [], 1, 3), "must have 1 to 3 entries, has 0"],
    ["a list that is too long", (all) => all.count("field", [1, 2, 3, 4], 1, 3), "must have 1 to 3 entries, has 4"],
    ["a part of a number", (all) => all.integer("field", 1.5, 0, 10), "must be a whole number from 0 to 10, got 1.5"],
    [
      "a number that is too large",
      (all) => all.integer("field", 11, 0, 10),
      "must be a whole number from 0 to 10, got 11",
    ],
    ["a duration below 0", (all) => all.duration("field", -1), "must be from 0 ms to 1 year, got -1 ms"],
    ["a duration above its limit", (all) => all.duration("field", 11, 5, 10), "must be from 5 ms to 10 ms, got 11 ms"],
    ["what is no text", (all) => all.text("field", 7 as unknown as string, 0, 3), "must be text"],
    ["a text that is too long", (all) => all.text("field", "long", 1, 3), "must have 1 to 3 characters, has 4"],
    ["a text with half a character", (all) => all.text("field", "\ud800", 1, 3), "is not well-formed Unicode"],
    [
      "a name of a queue",
      (all) => all.queueName("field", "A"),
      expect.stringContaining("must have 1 to 64 characters"),
    ],
    ["an id of a job", (all) => all.jobId("field", "x"), expect.stringContaining("must be a job id")],
    [
      "a page that is too large",
      (all) => all.pageSize("field", 1e6),
      expect.stringContaining("must be a whole number"),
    ],
  ])("says why: %s", (_, check, description) => {
    expect(found(check)).toEqual([{ field: "field", description }]);
  });

  test("may not be at its limits, or left out", () => {
    const check = (all: Violations) => {
      all.count("field", [1], 1, 3);
      all.count("field", [1, 2, 3], 1, 3);
      for (const value of [undefined, 0, 10]) all.integer("field", value, 0, 10);
      for (const value of [undefined, 5, 10]) all.duration("field", value, 5, 10);
      for (const value of [undefined, "a", "abc"]) all.text("field", value, 1, 3);
    };
    expect(found(check)).toEqual([]);
  });

  test("is named with its entry in a list, until the list is left", () => {
    const check = (all: Violations) => {
      all.enter("requests", 3);
      all.add("priority", "wrong");
      all.leave();
      all.add("queue", "wrong");
    };
    expect(found(check).map(({ field }) => field)).toEqual(["requests[3].priority", "queue"]);
  });
});

describe("the error for fields that are refused", () => {
  test("is none when there are none", () => {
    expect(thrown(new Violations())).toBeUndefined();
  });

  test("tells so many, and how many more there are", () => {
    const violations = new Violations();
    for (let count = 0; count < LIMITS.violations; count++) violations.add(`field${count}`, "wrong");
    expect(thrown(violations)?.metadata).not.toHaveProperty("more_violations");
    for (let count = 0; count < 7; count++) violations.add("another", "wrong");
    expect(thrown(violations)?.violations).toHaveLength(LIMITS.violations);
    expect(thrown(violations)).toMatchObject({ reason: "FIELD_INVALID", metadata: { more_violations: "7" } });
  });

  test("comes at once for a filter with too many entries, which are not looked at", () => {
    const filter = (length: number) => () => new Violations().filter("types", Array.from({ length }));
    expect(filter(LIMITS.filterEntries)).not.toThrow();
    expect(filter(LIMITS.filterEntries + 1)).toThrow("types: must have 0 to");
  });
});
