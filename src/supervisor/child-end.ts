/** How a child process ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to its standard error. */
  readonly lastWords: string;
}

/** Whether it ended because its heap was full: V8 says so, and aborts. */
export function isOutOfMemory({ lastWords }: ChildEnd): boolean {
  return /heap out of memory|out of memory.*(heap|Zone)|Allocation failed/i.test(lastWords);
}

/** Says in words how a process ended. */
export function describeEnd(end: ChildEnd): string {
  const { code, signal } = end;
  if (isOutOfMemory(end)) return "it ran out of memory";
  if (signal === "SIGKILL") return "it was killed by SIGKILL, as the system does when memory runs out";
  return signal === null ? `it exited with ${code}` : `it was killed by ${signal}`;
}
