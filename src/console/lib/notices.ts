import { signal } from "@preact/signals";
import { explain } from "./errors.js";

/** A message about something that was done or has failed. */
export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
}

/** How long the notice of a success stays, ms. A failure stays until the user closes it. */
const SUCCESS_MS = 6000;

/** The notices on the page, oldest first, at most four. */
export const notices = signal<readonly Notice[]>([]);

let nextId = 1;

/** Removes a notice. */
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

/** Shows that something was done. */
export function tell(text: string): void {
  show(text, false);
}

/** Shows that something failed. */
export function complain(error: unknown): void {
  show(explain(error), true);
}

/** Runs an action and shows how it ended. Returns whether it succeeded. */
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
