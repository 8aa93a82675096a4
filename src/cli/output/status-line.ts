import { hasColors, type Io } from "../io.js";
import { createStyle, type Style } from "./style.js";

const CLEAR = "\r\u001B[K";

/** A line at the end of a terminal that tells how far a command is. Where stderr is no terminal it is nothing. */
export interface StatusLine {
  /** Shows this in place of what was there. */
  show(text: (style: Style, width: number) => string): void;
  /** Takes it away, before anything else is written. */
  clear(): void;
}

/** Creates the line, on stderr. */
export function createStatusLine({ stderr, env }: Pick<Io, "stderr" | "env">): StatusLine {
  if (stderr.isTTY !== true || env.TERM === "dumb") return { show() {}, clear() {} };
  const style = createStyle(hasColors(stderr, env));
  let isShown = false;
  return {
    show(text) {
      stderr.write(CLEAR + text(style, (stderr.columns || 80) - 1));
      isShown = true;
    },
    clear() {
      if (isShown) stderr.write(CLEAR);
      isShown = false;
    },
  };
}
