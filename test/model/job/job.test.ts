import { describe, expect, test } from "vitest";
import { type AttemptError, type Job, jobBytes, payloadBytes } from "../../../src/model/job/job.js";
import { copyMetadata } from "../../../src/model/request/validate.js";

/** The size of a job with these fields. */
function size(given: Partial<Job>): number {
  const empty = { payload: undefined, result: undefined, metadata: {}, error: "", attemptErrors: [] };
  return jobBytes({ ...empty, ...given } as Job);
}

describe("the size of a job", () => {
  test.each<[string, Partial<Job>, number]>([
    ["its payload", { payload: '"\u20ac"' }, 5],
    ["a payload of bytes", { payload: new Uint8Array(7) }, 7],
    ["its result", { result: "[1]" }, 3],
    ["its error", { error: "broken" }, 6],
    ["keys and values of its metadata", { metadata: { ab: "cde", f: "" } }, 6],
    ["its trace context", { traceContext: { traceparent: "abc", tracestate: "d", baggage: "ef" } }, 6],
    ["the errors of its attempts", { attemptErrors: [{ error: "abc" }, { error: "de" }] as AttemptError[] }, 5],
  ])("counts %s", (_, given, bytes) => {
    expect(size(given) - size({})).toBe(bytes);
  });

  test("is never nothing", () => {
    expect(size({})).toBeGreaterThan(0);
    expect(payloadBytes(undefined)).toBe(0);
  });
});

describe("the metadata of a caller", () => {
  test("are copied", () => {
    const given = { a: "b" };
    const copy = copyMetadata(given, "");
    given.a = "changed";
    expect(copy).toEqual({ a: "b" });
  });

  test("are refused by name when they cannot be read", () => {
    const broken = Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    expect(() => copyMetadata(broken, "requests[2].")).toThrow("requests[2].metadata: cannot be read: no");
  });
});
