import type { Job } from "../../client/index.js";
import { hasColors, type Io } from "../io.js";
import { createStyle, fitted, inLine, STATUS_LOOK } from "./style.js";

/** Characters of a bar. */
const BAR_WIDTH = 24;

/** A line at the end of a terminal that shows how far a job is; nothing where stderr is no terminal. */
export interface ProgressLine {
  show(job: Pick<Job, "status" | "progress" | "worker">): void;
  /** Takes it away. */
  clear(): void;
}

/** Creates the line, on stderr. */
export function createProgressLine({ stderr, env }: Pick<Io, "stderr" | "env">): ProgressLine {
  if (stderr.isTTY !== true || env.TERM === "dumb") return { show() {}, clear() {} };
  const style = createStyle(hasColors(stderr, env));
  let isShown = false;
  return {
    show({ status, progress, worker }) {
      const where = status === "RUNNING" && worker !== "" ? ` on ${inLine(worker)}` : "";
      const how = progress === undefined || status !== "RUNNING" ? "" : ` ${barText(progress.percent)}`;
      const message = progress === undefined || status !== "RUNNING" ? "" : ` ${inLine(progress.message)}`;
      const room = (stderr.columns || 80) - 1 - status.length;
      stderr.write(`\r\u001B[K${style(STATUS_LOOK[status], status)}${fitted(`${how}${message}${where}`, room)}`);
      isShown = true;
    },
    clear() {
      if (isShown) stderr.write("\r\u001B[K");
      isShown = false;
    },
  };
}

/** A bar for 0 to 100 percent, with the number. */
export function barText(percent: number): string {
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * BAR_WIDTH);
  return `[${"#".repeat(full)}${".".repeat(BAR_WIDTH - full)}] ${Math.round(percent)} %`;
}
