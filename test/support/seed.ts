import fc from "fast-check";

// Property tests try the same values on every machine, so that a change is judged by what it changed. `npm run test:long`
// tries new ones each time: GOTASKQ_TEST_SEED=random, or the number that a failure printed.

const { GOTASKQ_TEST_SEED: seed = "20260101" } = process.env;

if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });
