import type { Io, Output } from "../io.js";
import { fittedLine } from "../output/style.js";

const ENTER = "\u001B[?1049h\u001B[?25l";
const LEAVE = "\u001B[?25h\u001B[?1049l";
const HOME = "\u001B[H";
const CLEAR_LINE = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";

/** q, Escape, Ctrl-C, Ctrl-D: in raw mode these are keys like others. */
const QUIT_KEYS: ReadonlySet<string> = new Set(["q", "Q", "\u001B", "\u0003", "\u0004"]);

/** Why a screen is left. */
export type ScreenEnd = "key" | "SIGINT" | "SIGTERM";

/** The whole terminal, until it is left: then it is as it was. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  /** Draws as much of these lines as fits, in place of what was there. */
  draw(lines: readonly string[]): void;
  /** Resolves when somebody presses q or Ctrl-C, or a signal ends it. */
  readonly ended: Promise<ScreenEnd>;
  /** Gives the terminal back. Idempotent. */
  leave(): void;
}

/** What a screen has of a terminal's keyboard. */
type Keyboard = Io["stdin"] & { setRawMode?(isRaw: boolean): unknown };

/** Takes the terminal. `redraw` is called when its size changes. */
export function openScreen(
  { stdin, stdout, signals }: Pick<Io, "stdin" | "stdout" | "signals">,
  redraw: () => void,
): Screen {
  const keyboard: Keyboard = stdin;
  let isOpen = true;
  let end: (why: ScreenEnd) => void = () => {};
  const ended = new Promise<ScreenEnd>((resolve) => {
    end = resolve;
  });
  const onKey = (bytes: Buffer | string) => {
    if (QUIT_KEYS.has(String(bytes))) end("key");
  };
  const onSignal = (signal: "SIGINT" | "SIGTERM") => end(signal);

  function leave(): void {
    if (!isOpen) return;
    isOpen = false;
    stdout.write(LEAVE);
    keyboard.setRawMode?.(false);
    keyboard.off("data", onKey);
    keyboard.pause();
    stdout.off("resize", redraw);
    for (const name of ["SIGINT", "SIGTERM"] as const) signals.off(name, onSignal);
    process.off("exit", leave);
  }

  stdout.write(ENTER);
  keyboard.setRawMode?.(true);
  keyboard.on("data", onKey);
  keyboard.resume();
  stdout.on("resize", redraw);
  for (const name of ["SIGINT", "SIGTERM"] as const) signals.on(name, onSignal);
  // Whatever ends the process.
  process.on("exit", leave);
  return {
    get width() {
      return sizeOf(stdout).width;
    },
    get height() {
      return sizeOf(stdout).height;
    },
    draw(lines) {
      if (!isOpen) return;
      const { width, height } = sizeOf(stdout);
      const shown = lines.slice(0, height).map((line) => fittedLine(line, width) + CLEAR_LINE);
      stdout.write(HOME + shown.join("\r\n") + CLEAR_BELOW);
    },
    ended,
    leave,
  };
}

function sizeOf({ columns, rows }: Output): { readonly width: number; readonly height: number } {
  return { width: columns || 80, height: rows || 24 };
}
