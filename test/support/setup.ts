import fc from "fast-check";
import { afterAll, afterEach, beforeEach } from "vitest";
import { beginTest, endFile, endTest } from "./cleanup.js";

// Runs before each file of tests, also in a process that has run others.

// Property tests try the same values on every machine, so that a change is judged by what it changed. `npm run test:long`
// tries new ones each time: GOTASKQ_TEST_SEED=random, or the number that a failure printed.

const { GOTASKQ_TEST_SEED: seed = "20260101" } = process.env;

if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });

// Registered first, so the hooks for the ends of tests and files are called last.
beforeEach(beginTest);
afterEach(endTest);
afterAll(endFile);
