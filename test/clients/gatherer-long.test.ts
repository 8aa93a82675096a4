import { testGatherer } from "./gatherer-suite.js";

// Without compiling anything anew: the programs are in use. Maven fetches what runs tests with the first ones.
testGatherer("Java", ["mvn", "-B", "-q", "surefire:test"]);
testGatherer("Rust", ["cargo", "test", "-q", "--offline"]);
