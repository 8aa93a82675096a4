/** One series of a metrics page. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metrics page, parsed strictly, and what is wrong with it: a small `promtool check metrics`. */
export interface Exposition {
  readonly series: readonly Series[];
  /** Types by the name of the metric. */
  readonly types: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? ([Nn]a[Nn]|[+-]?Inf|[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const TYPES = new Set(["counter", "gauge", "histogram", "summary"]);

/** Parses the text format of Prometheus. */
export function readExposition(page: string): Exposition {
  const problems: string[] = [];
  const helps = new Set<string>();
  const types = new Map<string, string>();
  const series: Series[] = [];
  const keys = new Set<string>();
  if (!page.endsWith("\n")) problems.push("the page does not end with a new line");
  for (const line of page.split("\n").filter((text) => text !== "")) {
    const comment = COMMENT.exec(line);
    const sample = SAMPLE.exec(line);
    if (comment !== null) {
      const [, kind, name = "", text = ""] = comment;
      if (kind === "HELP") {
        if (helps.has(name)) problems.push(`${name} has two HELP lines`);
        helps.add(name);
      } else {
        if (types.has(name)) problems.push(`${name} has two TYPE lines`);
        if (!TYPES.has(text)) problems.push(`${name} has no known type: ${text}`);
        types.set(name, text);
      }
    } else if (sample !== null) {
      const [, name = "", text = "", value = ""] = sample;
      const labels = readLabels(text);
      if (labels === undefined) problems.push(`the labels cannot be read: ${line}`);
      else series.push({ name, labels, value: Number(value.replace("Inf", "Infinity")) });
      const key = JSON.stringify([name, Object.entries(labels ?? {}).toSorted()]);
      if (keys.has(key)) problems.push(`given twice: ${line}`);
      keys.add(key);
    } else problems.push(`cannot be read: ${line}`);
  }
  for (const name of types.keys()) if (!helps.has(name)) problems.push(`${name} has no HELP`);
  for (const [name, type] of types) {
    if (type === "counter" && !name.endsWith("_total")) problems.push(`the counter ${name} does not end in _total`);
    if (type !== "counter" && name.endsWith("_total")) problems.push(`the ${type} ${name} ends in _total`);
  }
  for (const { name, value } of series) {
    const base = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    const type = types.get(base);
    if (type === undefined) problems.push(`${name} has no TYPE`);
    if (base !== name && type !== "histogram" && type !== "summary") problems.push(`${name} belongs to no histogram`);
    if (type === "counter" && !(value >= 0)) problems.push(`the counter ${name} is ${value}`);
  }
  return { series, types, problems };
}

function readLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const match = LABEL.exec(text);
    if (match === null) return undefined;
    const [, name = "", value = ""] = match;
    if (name in labels) return undefined;
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}
