import { fitted, type Look, type Style } from "./style.js";

/** A cell, with how it looks. */
export type Cell = string | number | { readonly text: string; readonly look: Look | undefined };

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Numbers are to the right. Default: left. */
  readonly isRight?: boolean | undefined;
  /** Whether it may be cut to the width of the terminal; one of them at most. */
  readonly isElastic?: boolean | undefined;
}

/** Fewest characters that a column which may be cut keeps. */
const MIN_ELASTIC = 10;

/** Writes a table: a line of titles, a line a row; no line is longer than `width`, where a column may be cut for that. */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { style, width }: { readonly style: Style; readonly width: number },
): string {
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => textOf(row[at] ?? "").length)),
  );
  const elastic = columns.findIndex(({ isElastic }) => isElastic === true);
  if (elastic >= 0) {
    const others = widths.reduce((sum, each, at) => sum + (at === elastic ? 0 : each), 0) + 2 * (columns.length - 1);
    const room = Math.max(MIN_ELASTIC, width - others);
    widths[elastic] = Math.min(widths[elastic] ?? room, room);
  }
  const line = (cells: readonly Cell[]) =>
    columns
      .map(({ isRight }, at) => {
        const cell = cells[at] ?? "";
        const text = fitted(textOf(cell), widths[at] ?? 0);
        const last = at === columns.length - 1;
        const padded = isRight === true ? text.padStart(widths[at] ?? 0) : last ? text : text.padEnd(widths[at] ?? 0);
        const look = typeof cell === "object" ? cell.look : undefined;
        return look === undefined ? padded : style(look, padded);
      })
      .join("  ");
  const titles = columns.map(({ title }): Cell => ({ text: title, look: "dim" }));
  return `${[titles, ...rows].map(line).join("\n")}\n`;
}

function textOf(cell: Cell): string {
  return typeof cell === "object" ? cell.text : String(cell);
}
