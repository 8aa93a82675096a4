import type { RunJob } from "../../core/handler-runner.js";
import type { FromRun, Stray, ToRun } from "../messages.js";

/** What is told to a child process that runs handlers. It gets no second run before it said that it is free. */
export type ToProcess =
  | { readonly kind: "run"; readonly job: RunJob }
  | { readonly kind: "to-run"; readonly message: ToRun };

/** What a child process that runs handlers tells. */
export type FromProcess =
  | { readonly kind: "loaded"; readonly types: readonly string[] }
  /** It cannot load the handlers, and ends. */
  | { readonly kind: "unloadable"; readonly error: string }
  | { readonly kind: "from-run"; readonly message: FromRun }
  /** The run is over. */
  | { readonly kind: "free" }
  /** It ends, after an error that nobody caught. */
  | { readonly kind: "ending" }
  | Stray;
