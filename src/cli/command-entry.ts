import type { Command } from "commander";
import type { Context } from "./context.js";

/** Adds arguments, options, examples and the action to a command. */
export type Configure = (command: Command, context: Context) => void;

/** A command as `gotaskq --help` knows it. What it does is loaded when it is called. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  /** Whether the help leaves it out: it is for programs alone. */
  readonly isHidden?: boolean;
  load(): Promise<Configure>;
}
