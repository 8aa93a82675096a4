import type { Command } from "commander";
import { positive } from "./values.js";

/** Adds the options of an operation on all jobs that match. */
export function addBulkOptions(command: Command): Command {
  return command
    .optionsGroup("With a filter:")
    .option("--all", "every one, without a filter")
    .option("--max <count>", "no more than so many, the oldest first", positive)
    .option("--dry-run", "only tell how many")
    .option("-y, --yes", "do not ask");
}
