import { sharedHarness } from "./shared-harness.js";
import { backendContract } from "./suite.js";

backendContract("shared", sharedHarness, 30);
