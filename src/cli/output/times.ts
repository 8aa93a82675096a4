/** A duration as people write it: `350ms`, `2.5s`, `4m12s`, `3h05m`, `2d4h`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${trimmed(ms / 1000)}s`;
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** A moment as people read it, in the time zone of this machine, and how far it is from now. Ms since 1970. */
export function momentText(at: number, now: number): string {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time} (${distanceText(at, now)})`;
}

/** How far a moment is from now: `3s ago`, `in 5m00s`. */
export function distanceText(at: number, now: number): string {
  const ms = at - now;
  if (Math.abs(ms) < 1000) return "now";
  return ms < 0 ? `${durationText(roughly(-ms))} ago` : `in ${durationText(roughly(ms))}`;
}

/** Nobody wants tenths of a second of what is seconds away. */
function roughly(ms: number): number {
  return Math.round(ms / 1000) * 1000;
}

function trimmed(seconds: number): string {
  return seconds.toFixed(1).replace(/\.0$/, "");
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
