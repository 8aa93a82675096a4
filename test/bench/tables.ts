import { median, type Table } from "./figures.js";

/** Returns the tables of several runs as one: medians, of the lines that some run has. */
export function mergeTables(runs: readonly (readonly Table[])[]): readonly Table[] {
  const tables = runs.flat();
  const titles = [...new Set(tables.map(({ title }) => title))];
  return titles.map((title) => {
    const parts = tables.filter((table) => table.title === title);
    const columns = parts[0]?.columns ?? [];
    const lines = parts.flatMap((table) => table.lines);
    const names = [...new Set(lines.map(({ name }) => name))];
    const merged = names.map((name) => {
      const all = lines.filter((line) => line.name === name);
      const values = columns.map((_, column) => medianOf(all.map((line) => line.values[column] ?? null)));
      return { name, values };
    });
    return { title, columns, lines: merged };
  });
}

/** Writes a table in Markdown. */
export function toMarkdown({ title, columns, lines }: Table): string {
  const head = [title, ...columns];
  const rows = lines.map(({ name, values }) => [name, ...values.map(format)]);
  const rule = head.map((_, at) => (at === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? median(known) : null;
}

/** Three digits: more would tell nothing. */
function format(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "";
  if (value < 9.95) return value.toFixed(1);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 2);
  return (Math.round(value / unit) * unit).toLocaleString("en");
}
