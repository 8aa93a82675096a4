import { type Timestamp, timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { now } from "../lib/clock.js";
import { moment, span } from "../lib/format.js";

/** The distance of a time from now; the time itself is shown on hover. */
export function Ago({ time }: { readonly time: Timestamp | undefined }) {
  if (time === undefined) return <span class="faint">–</span>;
  const distance = now.value - timestampMs(time);
  const text = Math.abs(distance) < 1500 ? "now" : distance > 0 ? `${coarse(distance)} ago` : `in ${coarse(-distance)}`;
  return (
    <time dateTime={timestampDate(time).toISOString()} title={moment(time)}>
      {text}
    </time>
  );
}

/** Rounds to whole seconds: a page of ages that all change every tenth of a second is hard to read. */
function coarse(ms: number): string {
  return span(Math.max(1000, Math.round(ms / 1000) * 1000));
}
