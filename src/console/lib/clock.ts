import { signal } from "@preact/signals";

/** The time, ms since 1970, updated once a second for everything that shows an age. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
