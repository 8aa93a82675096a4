import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Job, JobSchema } from "../../gen/gotaskq/v1/job_pb.js";
import { addTo, freshOf } from "../../src/wire/fresh.js";
import { MESSAGES } from "../support/messages.js";

afterEach(() => void vi.unstubAllGlobals());

describe.each([
  ["where code may be made of text", () => {}],
  [
    "where it may not",
    () => {
      vi.stubGlobal("Function", () => {
        throw new EvalError("Code generation from strings disallowed for this context");
      });
    },
  ],
])("a new message, %s,", (_, prepare) => {
  test("is as the library makes it", () => {
    prepare();
    for (const desc of MESSAGES) expect(freshOf(desc)()).toStrictEqual(create(desc));
  });

  test("shares nothing that changes with another", () => {
    prepare();
    const fresh = freshOf(JobSchema) as () => Job;
    const [one, other] = [fresh(), fresh()];
    for (const entry of [1, 2]) addTo(one as never, "attemptErrors", entry);
    one.metadata.a = "b";
    expect([one.attemptErrors, one.metadata]).toEqual([[1, 2], { a: "b" }]);
    expect(other).toStrictEqual(create(JobSchema));
  });
});
