import { endOfText, rawMembersOf } from "../model/common/json-members.js";

/** JSON texts are handled as texts here, so that their numbers stay as they are written. They are known to be valid. */

const DEEPER = "{[";
const SHALLOWER = "}]";

/** A JSON text with a line for each member and element. */
export function indentJson(json: string): string {
  const parts: string[] = [];
  let depth = 0;
  const lineBreak = () => `\n${"  ".repeat(Math.max(0, depth))}`;
  for (let at = 0; at < json.length; at++) {
    const char = json[at] as string;
    if (char === '"') {
      const end = endOfText(json, at);
      parts.push(json.slice(at, end + 1));
      at = end;
    } else if (DEEPER.includes(char)) {
      const next = nextOf(json, at + 1);
      const isEmpty = SHALLOWER.includes(json[next] as string);
      if (!isEmpty) depth++;
      parts.push(isEmpty ? `${char}${json[next]}` : `${char}${lineBreak()}`);
      if (isEmpty) at = next;
    } else if (SHALLOWER.includes(char)) {
      depth--;
      parts.push(`${lineBreak()}${char}`);
    } else if (char === ",") parts.push(`,${lineBreak()}`);
    else if (char === ":") parts.push(": ");
    else if (!isSpace(char)) parts.push(char);
  }
  return parts.join("");
}

/** The value of a member of the object that a JSON text is, to the letter. Undefined: it has no such member. Of several the last, as it is parsed. */
export function memberText(json: string, name: string): string | undefined {
  let found: string | undefined;
  for (const member of rawMembersOf(json)) if (member.name === name) found = member.text;
  return found;
}

function nextOf(json: string, from: number): number {
  let at = from;
  while (isSpace(json[at] ?? "")) at++;
  return at;
}

function isSpace(char: string): boolean {
  return char === " " || char === "\n" || char === "\r" || char === "\t";
}
