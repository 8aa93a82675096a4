import { fileHarness } from "./file-harness.js";
import { openWith } from "./harness.js";
import { describeSchedules } from "./schedules.js";
import { backendContract } from "./suite.js";

backendContract("file", fileHarness, 100);
describeSchedules(openWith(fileHarness));
