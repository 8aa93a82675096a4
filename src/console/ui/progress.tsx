import type { Progress } from "../../../gen/gotaskq/v1/job_pb.js";

/** How far a job has come, as a bar and in its own words. */
export function ProgressBar({ progress }: { readonly progress: Progress }) {
  const percent = Math.round(progress.percent);
  return (
    <span class="progress">
      <progress max={100} value={progress.percent} aria-label="Progress" />
      <span>
        {percent} %{progress.message && ` · ${progress.message}`}
      </span>
    </span>
  );
}
