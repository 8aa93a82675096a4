/** The entries of an object that have a value: one set to undefined must not take the place of a default. */
export function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
