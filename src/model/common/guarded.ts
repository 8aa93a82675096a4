/** What `read` returns, or `otherwise` when it throws: a getter, a conversion or a Proxy of a user may throw anything. */
export function guarded<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Whether a value of a user is one of a class. Never throws, as `instanceof` does for some Proxies. */
export function isInstance<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  return guarded(() => value instanceof type, false);
}

/** Whether it is bytes. */
export function isBytes(value: unknown): value is Uint8Array {
  return isInstance(value, Uint8Array);
}
