/**
 * The words of a line of bash as far as it is typed, without their quotes; the last one may not be ended, and is empty after a space.
 * What the shell would put in place of variables and patterns is not known here, and stays as it is typed.
 */
export function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string;
    if (quote !== "'" && char === "\\") {
      at++;
      word = (word ?? "") + (line[at] ?? "");
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  return [...words, word ?? ""];
}
