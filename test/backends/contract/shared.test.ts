import { describe } from "vitest";
import { openWith } from "./harness.js";
import { describeLeasing } from "./leasing.js";
import { describeModel } from "./model.js";
import { createSharedHarness } from "./shared-harness.js";
import { backendContract } from "./suite.js";

backendContract("shared", createSharedHarness(), 15);

describe("three servers on a shared backend, each asked in turn", () => {
  const harness = createSharedHarness(3);
  describeLeasing(openWith(harness));
  describeModel(harness, 10);
});
