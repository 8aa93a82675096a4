import { signal } from "@preact/signals";
import { explain } from "./errors.js";

/** Something that was done, or that failed. */
export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
}

/** How long the notice of a success stays, ms. A failure stays until it is closed. */
const SUCCESS_MS = 6000;

/** What is shown, oldest first. */
export const notices = signal<readonly Notice[]>([]);

let nextId = 1;

/** Takes a notice away. */
export function close(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

function show(text: string, isError: boolean): void {
  const id = nextId++;
  // The same failure again and again must not fill the page.
  const others = notices.value.filter((notice) => notice.text !== text).slice(-3);
  notices.value = [...others, { id, text, isError }];
  if (!isError) setTimeout(() => close(id), SUCCESS_MS);
}

/** Tells that something was done. */
export function tell(text: string): void {
  show(text, false);
}

/** Tells that something failed. */
export function complain(error: unknown): void {
  show(explain(error), true);
}

/** Does something and tells how it ended; answers whether it was done. */
export async function attempt(done: string, action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
  } catch (error) {
    complain(error);
    return false;
  }
  tell(done);
  return true;
}
