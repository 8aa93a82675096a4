import type { Progress } from "../../../gen/gotaskq/v1/job_pb.js";

/** The progress of a job, as a bar and in the words of its worker. */
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
