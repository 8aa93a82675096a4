/** What `read` returns, or `otherwise` when it throws: a getter, a conversion or a Proxy of a user may throw anything. */
export function guarded<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Whether a value of a user is bytes. Never throws, as `instanceof` does for some Proxies. */
export function isBytes(value: unknown): value is Uint8Array {
  return guarded(() => value instanceof Uint8Array, false);
}
