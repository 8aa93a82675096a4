import { signal } from "@preact/signals";

/** The time, ms since 1970, a step a second: what shows ages reads it. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
