import type { Handlers } from "gotaskq";

/** How long a busy handler computes, ms. */
const BUSY_MS = 20;

// biome-ignore lint/style/noDefaultExport: a module of handlers has one
export default {
  noop() {},
  busy() {
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
  },
} satisfies Handlers;
