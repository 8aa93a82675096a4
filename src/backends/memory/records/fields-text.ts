/** `,"name":value` for each field that differs from what it is at first. */
export function fieldsText(record: object, first: object): string {
  const fields = record as Readonly<Record<string, unknown>>;
  const firsts = first as Readonly<Record<string, unknown>>;
  let text = "";
  for (const name in fields) {
    const value = fields[name];
    if (value === firsts[name]) continue;
    text += typeof value === "number" ? `,"${name}":${value}` : `,"${name}":${JSON.stringify(value)}`;
  }
  return text;
}
