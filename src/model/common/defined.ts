/** Returns a copy without the undefined entries, so that spreading it over defaults does not erase them. */
export function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
