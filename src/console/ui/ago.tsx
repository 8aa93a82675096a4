import { type Timestamp, timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { now } from "../lib/clock.js";
import { moment, span } from "../lib/format.js";

/** A moment as its distance from now, with the moment itself on hover. */
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

/** Whole seconds: a page of ages that all tick in tenths is hard to look at. */
function coarse(ms: number): string {
  return span(Math.max(1000, Math.round(ms / 1000) * 1000));
}
