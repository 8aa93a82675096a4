import { fitted, type Look, type Style } from "./style.js";

/** A cell, with how it looks. */
export type Cell = string | number | { readonly text: string; readonly look: Look | undefined };

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Numbers are to the right. Default: left. */
  readonly isRight?: boolean | undefined;
  /** Whether it may be cut to the width of the terminal: the last of them first. */
  readonly isElastic?: boolean | undefined;
}

/** Fewest characters that a column which may be cut keeps. */
const MIN_ELASTIC = 10;

/**
 * Writes a table: a line of titles, a line a row. No line is longer than `width`, as far as columns may be cut for that, or ends with
 * spaces, which would go on on the next line of a terminal.
 */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { style, width }: { readonly style: Style; readonly width: number },
): string {
  const widths = columns.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, textOf(row[at] ?? "").length), title.length),
  );
  let over = widths.reduce((sum, each) => sum + each, 2 * (columns.length - 1)) - width;
  for (let at = columns.length - 1; at >= 0 && over > 0; at--) {
    const own = widths[at] ?? 0;
    if (columns[at]?.isElastic !== true || own <= MIN_ELASTIC) continue;
    const room = Math.max(MIN_ELASTIC, own - over);
    widths[at] = room;
    over -= own - room;
  }
  const line = (cells: readonly Cell[]) => {
    const parts: string[] = [];
    // What is between this cell and the last text before it.
    let gap = "";
    for (const [at, { isRight }] of columns.entries()) {
      const cell = cells[at] ?? "";
      const text = fitted(textOf(cell), widths[at] ?? 0);
      const padding = " ".repeat((widths[at] ?? 0) - text.length);
      const look = typeof cell === "object" ? cell.look : undefined;
      if (text !== "") parts.push(gap, isRight === true ? padding : "", look === undefined ? text : style(look, text));
      gap = text === "" ? `${gap}${padding}  ` : isRight === true ? "  " : `${padding}  `;
    }
    return parts.join("");
  };
  const titles = columns.map(({ title }): Cell => ({ text: title, look: "dim" }));
  return `${[titles, ...rows].map(line).join("\n")}\n`;
}

function textOf(cell: Cell): string {
  return typeof cell === "object" ? cell.text : String(cell);
}
