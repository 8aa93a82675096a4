import type { RateLimit } from "../../../model/queue/rate-limit.js";

/** Writes the rate of a queue; the scripts read it. */
export function writeRateLimit({ count, periodMs, burst }: RateLimit): string {
  return `${count} ${periodMs} ${burst}`;
}

/** Reads it; null when it is empty. */
export function readRateLimit(text: string): RateLimit | null {
  const [count, periodMs, burst] = text.split(" ").map(Number);
  if (!count || !periodMs || !burst) return null;
  return { count, periodMs, burst };
}
