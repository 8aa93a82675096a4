import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import { api } from "../lib/api.js";
import { badFields, explain } from "../lib/errors.js";
import { parseSpan } from "../lib/format.js";
import { tell } from "../lib/notices.js";
import { Dialog, FormEnd } from "./dialog.js";
import { Field } from "./field.js";

/** Properties of `JobForm`. */
export interface JobFormProps {
  /** The job to change; PENDING. */
  readonly job: Job;
  readonly onClose: () => void;
}

/** A form that changes priority and time of a job that has not begun. */
export function JobForm({ job, onClose }: JobFormProps) {
  const [priority, setPriority] = useState(String(job.priority));
  const [delay, setDelay] = useState("");
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map());
  const [failure, setFailure] = useState("");
  const input = (set: (text: string) => void) => (event: Event) => set((event.currentTarget as HTMLInputElement).value);

  const submit = async (event: Event) => {
    event.preventDefault();
    const found = new Map<string, string>();
    if (!/^\d{1,9}$/.test(priority.trim())) found.set("priority", "Write a whole number from 0 to 10.");
    const ms = delay.trim() === "" ? undefined : parseSpan(delay);
    if (delay.trim() !== "" && ms === undefined) found.set("delay", "Write a time like 0s, 30s, 5m, 24h, or nothing.");
    setProblems(found);
    if (found.size > 0) return;
    try {
      const request = { id: job.id, priority: Number(priority) };
      await api.jobs.updateJob(
        ms === undefined ? request : { ...request, schedule: { case: "delay", value: durationFromMs(ms) } },
      );
      tell("The job is changed.");
      onClose();
    } catch (error) {
      setProblems(badFields(error));
      setFailure(explain(error));
    }
  };

  return (
    <Dialog title="Change this job" onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        <Field label="Priority" problem={problems.get("priority")} hint="0 (lowest) to 10.">
          <input inputMode="numeric" value={priority} onInput={input(setPriority)} />
        </Field>
        <Field label="Run in" problem={problems.get("delay")} hint="From now on. Empty: when it was to run before.">
          <input value={delay} onInput={input(setDelay)} />
        </Field>
        <FormEnd failure={failure} submit="Change the job" onClose={onClose} />
      </form>
    </Dialog>
  );
}
