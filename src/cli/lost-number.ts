/** A string, which is passed over, or a whole number of so many digits that it may not fit. */
const STRING_OR_LONG_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/** The first whole number in a JSON text that is another one once it is parsed. */
export function lostNumber(json: string): string | undefined {
  for (const [found] of json.matchAll(STRING_OR_LONG_NUMBER)) {
    if (!found.startsWith('"') && BigInt(found) !== BigInt(Number(found))) return found;
  }
  return undefined;
}
