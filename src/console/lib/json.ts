/** JSON that was typed: the text, or what is wrong with it and where. */
export type Typed = { readonly text: string } | { readonly problem: string };

/** Looks at JSON that was typed. It is sent as it is: nothing is lost of large integers. */
export function readJson(typed: string): Typed {
  try {
    JSON.parse(typed);
    return { text: typed.trim() };
  } catch (error) {
    return { problem: problemOf(typed, error) };
  }
}

/** Texts, white space, what begins and ends lists and objects, and what parts their entries; the rest are numbers and words. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|\s+|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/** Indents JSON text, as `JSON.stringify` does, and leaves all that it says as it is written. */
export function pretty(json: string): string {
  const parts: string[] = [];
  let indent = "\n";
  /** Whether the list or object that was begun last has no entry yet. */
  let isEmpty = false;
  for (const [token] of json.matchAll(TOKENS)) {
    if (/^\s/.test(token)) continue;
    const isEnd = token === "]" || token === "}";
    if (isEnd) indent = indent.slice(0, -2);
    if (isEmpty !== isEnd) parts.push(indent);
    isEmpty = token === "[" || token === "{";
    if (isEmpty) indent += "  ";
    parts.push(token === ":" ? ": " : token);
    if (token === ",") parts.push(indent);
  }
  return parts.join("");
}

function problemOf(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const found = /position (\d+)/.exec(message);
  const what = message.replace(/ in JSON at position.*| \(line \d+.*| is not valid JSON$/s, "");
  if (found === null) return /end of/.test(message) ? "This JSON ends too early." : `This is not JSON: ${what}.`;
  const before = text.slice(0, Number(found[1])).split("\n");
  return `This is not JSON: ${what}, in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
}
