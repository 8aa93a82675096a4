import type { SharedJobSpec } from "../records/job-record.js";
import type { KeyedLines } from "./keyed-lines.js";
import { ReadyLine } from "./ready-line.js";

/**
 * The jobs of one type that stand in line: those without a key in the line itself, those with one, and under FAIR all of them, in a
 * line for each key.
 */
export class TypeLine<Queue> extends ReadyLine<Queue> {
  /** Shared spec of the last job of this type; the next one reuses it when it is equal. */
  shared: SharedJobSpec<Queue> | undefined;
  keyed: KeyedLines<Queue> | undefined;
  /** Number of all of its jobs, with those that are held back. */
  all = 0;

  /** Number of those that may run now. */
  get ready(): number {
    return this.count + (this.keyed?.ready ?? 0);
  }
}
