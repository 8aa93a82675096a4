import { type ChildEnd, describeEnd } from "../../supervisor/child-end.js";
import { ConfigError } from "../config/config.js";
import { StartRefused } from "../log/start-refused.js";
import type { Refusing } from "./messages.js";

/** Why a process says that it cannot start, as the error that it had itself. */
export function refusedStart({ problems, isInvalid }: Refusing): Error {
  return isInvalid ? new ConfigError(problems) : new StartRefused(problems);
}

/** A process ended before it had started, and did not say why. */
export function failedStart(name: string, end: ChildEnd): Error {
  return new Error(`${name} did not start: ${describeEnd(end)}`);
}

/** A process ended as it was to, and not in order. Undefined: it did. */
export function disorderlyEnd(name: string, end: ChildEnd): Error | undefined {
  return end.code === 0 ? undefined : new Error(`${name} did not end in order: ${describeEnd(end)}`);
}
