import { now } from "../lib/clock.js";
import { link } from "../lib/live.js";

/** One word for whether the page is live. */
export function LinkState() {
  const { state } = link.value;
  const word = { live: "Live", connecting: "Connecting…", waiting: "Reconnecting…", ended: "Up to date" }[state];
  return (
    <span class={`link ${state}`} role="status">
      <span class="dot" aria-hidden="true" />
      {word}
    </span>
  );
}

/** Says why the page is not live, and when it connects again. */
export function LinkBanner() {
  const current = link.value;
  if (current.state !== "waiting") return null;
  const seconds = Math.max(0, Math.ceil((current.retryAt - now.value) / 1000));
  return (
    <div class="banner">
      <strong>Not connected.</strong> {current.why} What you see may be old.{" "}
      {seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again now."}
    </div>
  );
}
