const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;

/** A member of an object, its value as the text has it. */
export interface RawMember {
  readonly name: string;
  /** The value to the letter, without the space around it. */
  readonly text: string;
}

/** The members of the outermost object of a JSON text that is known to be one, in order. Looks at each character once. */
export function* rawMembersOf(text: string): Generator<RawMember, void> {
  let depth = 0;
  let name: string | undefined;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfText(text, at);
      if (depth === 1 && name === undefined) name = nameOf(text, at, end);
      at = end;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (depth > 1) {
      if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
    } else if (code === COLON) begin = at + 1;
    else if (code === COMMA || code === CLOSE_BRACE) {
      if (name !== undefined) yield { name, text: text.slice(begin, at).trim() };
      name = undefined;
    }
  }
}

/** Where a text ends that begins with the quote at `start`: the place of its other quote. */
export function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

function nameOf(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}
