import type { Job } from "../../client/index.js";
import { fitted, inLine, STATUS_LOOK, type Style } from "./style.js";

/** Characters of a bar. */
const BAR_WIDTH = 24;

/** How far a job is, on one line that fits. */
export function progressText(
  { status, progress, worker }: Pick<Job, "status" | "progress" | "worker">,
  style: Style,
  width: number,
): string {
  const isRunning = status === "RUNNING";
  const where = isRunning && worker !== "" ? ` on ${inLine(worker)}` : "";
  const how = progress === undefined || !isRunning ? "" : ` ${barText(progress.percent)} ${inLine(progress.message)}`;
  return `${style(STATUS_LOOK[status], status)}${fitted(how + where, width - status.length)}`;
}

/** A bar for 0 to 100 percent, with the number. */
export function barText(percent: number): string {
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * BAR_WIDTH);
  return `[${"#".repeat(full)}${".".repeat(BAR_WIDTH - full)}] ${Math.round(percent)} %`;
}
