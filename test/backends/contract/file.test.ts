import { fileHarness } from "./file-harness.js";
import { backendContract } from "./suite.js";

backendContract("file", fileHarness, 20);
