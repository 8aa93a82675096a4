import type { Field, KeyTable, NamedField, RecordTable } from "./describe.js";
import { CODES, MESSAGE, META, OBJECTS, QUEUE_KEYS, RECORDS, SHARED_KEYS } from "./table.js";

// Writes the tables of ../README.md.

const BEGIN = "<!-- From layout/table.ts by `npm run redis:document`: -->";
const END = "<!-- To here. -->";

/** The README with its tables as the layout is now. */
export function documented(readme: string): string {
  const [before, rest] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (before < 0 || rest < before) throw new Error("the README has no place for the tables");
  return `${readme.slice(0, before + BEGIN.length)}\n\n${tables()}\n${readme.slice(rest)}`;
}

function tables(): string {
  return [
    "### Keys of a queue, `<prefix>:{<queue>}:…`",
    keyTable(QUEUE_KEYS),
    "### Keys for all queues, `<prefix>:{*}:…`",
    keyTable(SHARED_KEYS),
    "### Fields of `meta`",
    fieldTable(META),
    "### Records",
    ...Object.entries(RECORDS).map(([name, record]) => recordText(name, record)),
    "### Objects in records",
    ...Object.entries(OBJECTS).map(([name, fields]) => `\`${name}\`:\n\n${fieldTable(fields)}`),
    "### A message: its first line",
    fieldTable(MESSAGE),
    "### Codes",
    table(
      ["field", "values"],
      Object.entries(CODES).map(([name, values]) => [
        `\`${name}\``,
        Object.entries(values)
          .map(([meaning, value]) => `${value} ${meaning}`)
          .join(", "),
      ]),
    ),
  ]
    .map((part) => `${part}\n`)
    .join("\n");
}

function keyTable(keys: Readonly<Record<string, KeyTable>>): string {
  const rows = Object.entries(keys).map(([name, { type, each, meaning, holds, lifetime }]) => {
    return [
      `\`${name}${each === undefined ? "" : `:<${each}>`}\``,
      type,
      meaning,
      holds ? `\`${holds}\`` : "",
      lifetime,
    ];
  });
  return table(["key", "type", "what", "holds", "lives"], rows);
}

function fieldTable(fields: readonly NamedField[]): string {
  return table(
    ["field", "what"],
    fields.map(({ name, meaning }) => [`\`${name}\``, meaning]),
  );
}

function recordText(name: string, { meaning, fields, rest }: RecordTable): string {
  let from = 0;
  const rows = fields.map(({ name: field, width, form, meaning: what }: Field) => {
    from += width;
    return [`\`${field}\``, `${from - width}`, `${width}`, form, what];
  });
  const head = `\`${name}\`: ${meaning}. After the fields: ${rest}.`;
  return `${head}\n\n${table(["field", "from", "characters", "form", "what"], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
