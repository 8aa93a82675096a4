import { testGatherer } from "./gatherer-suite.js";
import { GO_ENVIRONMENT } from "./prepare.js";

testGatherer("Go", ["go", "test", "-count=1", "./..."], GO_ENVIRONMENT);
testGatherer("Python", [".venv/bin/python", "-m", "unittest", "test_gatherer"]);
