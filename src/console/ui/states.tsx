import type { ComponentChildren } from "preact";
import { explain } from "../lib/errors.js";

/** Shown where there is nothing to list: says why, and what to do. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Shown where something could not be read. */
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

/** Shown while something is being read. */
export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}
