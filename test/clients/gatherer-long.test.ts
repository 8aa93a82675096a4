import { testGatherer } from "./gatherer-suite.js";

// Without compiling anything anew: the programs are in use.
testGatherer("Java", ["mvn", "-B", "-q", "-o", "surefire:test"]);
testGatherer("Rust", ["cargo", "test", "-q", "--offline"]);
