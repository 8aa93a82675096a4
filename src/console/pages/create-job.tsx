import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useEffect, useState } from "preact/hooks";
import { PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { api } from "../lib/api.js";
import { badFields } from "../lib/errors.js";
import { parseSpan } from "../lib/format.js";
import { pretty, readJson } from "../lib/json.js";
import { usePolledLink } from "../lib/live.js";
import { complain, tell } from "../lib/notices.js";
import { useQueueNames } from "../lib/queue-names.js";
import { go, href, route } from "../lib/router.js";
import { useLoaded } from "../lib/use-loaded.js";
import { listWorkers } from "../lib/workers.js";
import { Field } from "../ui/field.js";

/** The form as it was typed. */
interface Draft {
  readonly type: string;
  readonly queue: string;
  readonly payload: string;
  readonly priority: string;
  readonly delay: string;
  readonly maxRetries: string;
  readonly timeout: string;
  readonly key: string;
  readonly requestId: string;
  readonly metadata: string;
}

const NOTHING: Draft = {
  type: "",
  queue: "default",
  payload: "",
  priority: "0",
  delay: "",
  maxRetries: "",
  timeout: "",
  key: "",
  requestId: "",
  metadata: "",
};

/** How often the workers are asked for, ms: the page tells by it whether the server still answers. */
const WORKERS_MS = 4000;

type Request = MessageInitShape<typeof CreateJobRequestSchema>;
type Problems = ReadonlyMap<string, string>;

const SPAN_WANTED = "Write a time like 500ms, 30s, 5m, 24h.";

/** Converts the typed form to a request, and returns the problems of its fields. */
function readDraft(draft: Draft): { request: Request; problems: Problems } {
  const problems = new Map<string, string>();
  const spanOf = (name: "delay" | "timeout") => {
    if (draft[name].trim() === "") return undefined;
    const ms = parseSpan(draft[name]);
    if (ms === undefined) problems.set(name, SPAN_WANTED);
    return ms === undefined ? undefined : durationFromMs(ms);
  };
  const wholeOf = (name: "priority" | "maxRetries") => {
    const text = draft[name].trim();
    if (text === "") return undefined;
    if (!/^\d{1,9}$/.test(text)) problems.set(name, "Write a whole number.");
    return Number(text);
  };
  if (draft.type.trim() === "") problems.set("type", "A job needs a type: the name of its handler.");
  const metadata: Record<string, string> = {};
  for (const line of draft.metadata.split("\n").filter((each) => each.trim() !== "")) {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(line) ?? [];
    if (name.trim() === "") problems.set("metadata", "Write one name=value a line.");
    metadata[name.trim()] = value.trim();
  }
  const json = draft.payload.trim() === "" ? undefined : readJson(draft.payload);
  if (json !== undefined && "problem" in json) problems.set("payload", json.problem);
  const delay = spanOf("delay");
  const timeout = spanOf("timeout");
  const maxRetries = wholeOf("maxRetries");
  const request: Request = {
    type: draft.type.trim(),
    queue: draft.queue,
    key: draft.key.trim(),
    requestId: draft.requestId.trim(),
    priority: wholeOf("priority") ?? 0,
    metadata,
    ...(json !== undefined && "text" in json && { payloadKind: { case: "payloadJson", value: json.text } }),
    ...(delay && { schedule: { case: "delay", value: delay } }),
    ...(timeout && { timeout }),
    ...(maxRetries !== undefined && { maxRetries }),
  };
  return { request, problems };
}

/** Fields whose name in the API differs from that in the form. */
const FORM_NAMES: Readonly<Record<string, string>> = {
  max_retries: "maxRetries",
  payload_json: "payload",
  request_id: "requestId",
};

/** A form for a new job. JSON is checked while it is typed, everything else when the form is sent. */
export function CreateJobPage() {
  const { params } = route.value;
  const [draft, setDraft] = useState<Draft>({ ...NOTHING, queue: params.get("queue") || "default" });
  const [problems, setProblems] = useState<Problems>(new Map());
  const [isBusy, setBusy] = useState(false);
  const names = useQueueNames(draft.queue);
  const workers = useLoaded(listWorkers, "types", WORKERS_MS);
  usePolledLink(workers, WORKERS_MS);
  const types = [...new Set((workers.value?.list ?? []).flatMap((worker) => worker.types))];
  const from = params.get("from");

  useEffect(() => {
    if (from === null) return;
    api.jobs.getJob({ id: from, payloadFormat: PayloadFormat.TEXT }).then(({ job }) => {
      if (job === undefined) return;
      const { payloadKind } = job;
      if (payloadKind.case === "payloadBytes") complain(new Error("A payload of bytes cannot be edited here."));
      setDraft({
        ...NOTHING,
        type: job.type,
        queue: job.queue,
        payload: payloadKind.case === "payloadJson" ? pretty(payloadKind.value) : "",
        priority: String(job.priority),
        maxRetries: String(job.maxRetries),
        key: job.key,
        metadata: Object.entries(job.metadata)
          .map(([name, value]) => `${name}=${value}`)
          .join("\n"),
      });
    }, complain);
  }, [from]);

  const json = draft.payload.trim() === "" ? undefined : readJson(draft.payload);
  const jsonProblem = json !== undefined && "problem" in json ? json.problem : undefined;
  const bind = (name: keyof Draft) => ({
    value: draft[name],
    onInput: (event: Event) =>
      setDraft({ ...draft, [name]: (event.currentTarget as HTMLInputElement | HTMLTextAreaElement).value }),
  });

  const submit = async (event: Event) => {
    event.preventDefault();
    const { request, problems: found } = readDraft(draft);
    setProblems(found);
    if (found.size > 0) {
      requestAnimationFrame(() => document.querySelector<HTMLElement>("[aria-invalid]")?.focus());
      return;
    }
    setBusy(true);
    try {
      const { job, deduplicated } = await api.jobs.createJob(request);
      if (deduplicated) tell("This request id was known already: here is its job. None was created.");
      if (job !== undefined) go(href(`/jobs/${job.id}`));
    } catch (error) {
      const fields = new Map(
        [...badFields(error)].map(([name, text]) => {
          const top = name.split(/[.[]/, 1)[0] ?? name;
          return [FORM_NAMES[top] ?? top, text];
        }),
      );
      setProblems(fields);
      complain(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="form" onSubmit={submit} noValidate>
      <div class="columns">
        <Field label="Type" problem={problems.get("type")} hint="Selects the handler that runs it.">
          <input list="types" autocomplete="off" spellcheck={false} {...bind("type")} />
        </Field>
        <Field label="Queue" problem={problems.get("queue")}>
          <select {...bind("queue")}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
      </div>
      <datalist id="types">
        {types.map((type) => (
          <option key={type} value={type} />
        ))}
      </datalist>
      <Field
        label="Payload (JSON)"
        problem={jsonProblem ?? problems.get("payload")}
        hint={json === undefined ? "Leave it empty for none." : jsonProblem === undefined && "This is JSON."}
      >
        <textarea rows={10} spellcheck={false} {...bind("payload")} />
      </Field>
      <div class="columns">
        <Field label="Priority" problem={problems.get("priority")} hint="0 (lowest) to 10.">
          <input inputMode="numeric" {...bind("priority")} />
        </Field>
        <Field label="Delay" problem={problems.get("delay")} hint="Empty: at once. Or 30s, 5m, 24h.">
          <input {...bind("delay")} />
        </Field>
      </div>
      <details>
        <summary>More</summary>
        <div class="columns">
          <Field label="Retries" problem={problems.get("maxRetries")} hint="Empty: as the server has it.">
            <input inputMode="numeric" {...bind("maxRetries")} />
          </Field>
          <Field label="Timeout of an attempt" problem={problems.get("timeout")} hint="Empty: none.">
            <input {...bind("timeout")} />
          </Field>
          <Field label="Key" problem={problems.get("key")} hint="Whose it is: a tenant, an account.">
            <input autocomplete="off" spellcheck={false} {...bind("key")} />
          </Field>
          <Field label="Request id" problem={problems.get("requestId")} hint="The same id again creates no second job.">
            <input autocomplete="off" {...bind("requestId")} />
          </Field>
          <Field label="Metadata" problem={problems.get("metadata")} hint="One name=value a line.">
            <textarea rows={3} spellcheck={false} {...bind("metadata")} />
          </Field>
        </div>
      </details>
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy}>
          Create the job
        </button>
        <a class="button" href={href("/jobs")}>
          Back to the jobs
        </a>
      </div>
    </form>
  );
}
