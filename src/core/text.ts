/** The first `length` characters of a text, with no hold on the rest: a slice would keep the whole alive. */
export function cutText(text: string, length: number): string {
  return text.length <= length ? text : Buffer.from(text.slice(0, length)).toString();
}
