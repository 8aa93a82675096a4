import { close, notices } from "../lib/notices.js";

/** The notices, which screen readers also read out. */
export function Notices() {
  return (
    <div class="notices" aria-live="polite" role="status">
      {notices.value.map(({ id, text, isError }) => (
        <div key={id} class={isError ? "notice error" : "notice"}>
          <span class="wrap">{text}</span>
          <button type="button" class="plain" aria-label="Close this notice" onClick={() => close(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
