import type { ComponentChildren } from "preact";
import { explain } from "../lib/errors.js";

/** What stands where there is nothing to show: why, and what to do. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** What stands where something could not be read. */
export function Failed({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }) {
  return (
    <div class="empty failed" role="alert">
      <p class="empty-title wrap">{explain(error)}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** What stands where something is being read. */
export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}
