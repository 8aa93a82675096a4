import fc from "fast-check";

// A mutant is caught by the first sequence that fails; nobody reads the smallest one.
fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true });
