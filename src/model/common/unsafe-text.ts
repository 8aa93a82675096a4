/** Characters that move a cursor, colour a terminal, hide text, turn it around or break a line. */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Writes unsafe characters as JSON escapes them. Line breaks stay. */
export function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, (letter) => {
    let escaped = "";
    for (let at = 0; at < letter.length; at++) escaped += `\\u${letter.charCodeAt(at).toString(16).padStart(4, "0")}`;
    return escaped;
  });
}
