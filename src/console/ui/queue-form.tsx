import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { type Queue, QueueOrdering } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { api } from "../lib/api.js";
import { badFields, explain } from "../lib/errors.js";
import { backoffInput, parseBackoff, parseRate, parseSpan, rateInput, spanText } from "../lib/format.js";
import { tell } from "../lib/notices.js";
import { takeQueue } from "../lib/queues.js";
import { Dialog, FormEnd } from "./dialog.js";
import { Field } from "./field.js";

/** Properties of `QueueForm`. */
export interface QueueFormProps {
  /** The queue to change; undefined to create one. */
  readonly queue: Queue | undefined;
  readonly onClose: () => void;
}

/** The text of a setting: empty for 0, which means "no limit". */
function textOf(value: number | undefined): string {
  return value ? String(value) : "";
}

const NUMBERS = [
  ...(["weight", "maxConcurrency", "maxConcurrencyPerKey", "maxDepth"] as const),
  ...(["maxCompleted", "maxDead", "defaultMaxRetries"] as const),
];
const SPANS = ["completedTtl", "deadTtl", "defaultTimeout", "defaultTtl"] as const;

/** The name of a field as the code has it, from that of the protos. */
function camelCase(field: string): string {
  return field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A form that creates a queue or changes its settings. */
export function QueueForm({ queue, onClose }: QueueFormProps) {
  const settings = queue?.settings;
  const [draft, setDraft] = useState({
    name: queue?.name ?? "",
    ordering: String(settings?.ordering ?? QueueOrdering.PRIORITY),
    weight: textOf(settings?.weight),
    maxConcurrency: textOf(settings?.maxConcurrency),
    maxConcurrencyPerKey: textOf(settings?.maxConcurrencyPerKey),
    rateLimit: rateInput(settings?.rateLimit),
    maxDepth: textOf(settings?.maxDepth),
    completedTtl: spanText(settings?.completedTtl),
    maxCompleted: String(settings?.maxCompleted ?? ""),
    deadTtl: spanText(settings?.deadTtl),
    maxDead: String(settings?.maxDead ?? ""),
    defaultMaxRetries: String(settings?.defaultMaxRetries ?? ""),
    defaultBackoff: backoffInput(settings?.defaultBackoff),
    defaultTimeout: spanText(settings?.defaultTimeout),
    defaultTtl: spanText(settings?.defaultTtl),
  });
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map());
  const [failure, setFailure] = useState("");
  const bind = (name: keyof typeof draft) => ({
    value: draft[name],
    onInput: (event: Event) => setDraft({ ...draft, [name]: (event.currentTarget as HTMLInputElement).value }),
  });

  const submit = async (event: Event) => {
    event.preventDefault();
    const found = new Map<string, string>();
    for (const name of NUMBERS)
      if (!/^\d{0,9}$/.test(draft[name].trim())) found.set(name, "Write a whole number, or nothing.");
    for (const name of SPANS) {
      const text = draft[name].trim();
      if (text !== "" && parseSpan(text) === undefined)
        found.set(name, "Write a time like 90s, 5m, 2h or 7d, or nothing.");
    }
    const backoff = draft.defaultBackoff.trim() === "" ? undefined : parseBackoff(draft.defaultBackoff);
    if (draft.defaultBackoff.trim() !== "" && backoff === undefined) {
      found.set("defaultBackoff", "Write 100ms x 2 up to 5s, or a list like 1s, 1m, 1h, or nothing.");
    }
    const rateLimit = draft.rateLimit.trim() === "" ? undefined : parseRate(draft.rateLimit);
    if (draft.rateLimit.trim() !== "" && rateLimit === undefined) {
      found.set("rateLimit", "Write 100 per 1m, or 100 per 1m, burst 5, or nothing.");
    }
    setProblems(found);
    if (found.size > 0) return;
    const spanIn = (text: string) => (text.trim() === "" ? undefined : durationFromMs(parseSpan(text) ?? 0));
    const countIn = (text: string) => (text.trim() === "" ? undefined : Number(text));
    const news = {
      ordering: Number(draft.ordering) as QueueOrdering,
      weight: Number(draft.weight),
      maxConcurrency: Number(draft.maxConcurrency),
      maxConcurrencyPerKey: Number(draft.maxConcurrencyPerKey),
      rateLimit,
      maxDepth: Number(draft.maxDepth),
      completedTtl: spanIn(draft.completedTtl),
      maxCompleted: countIn(draft.maxCompleted),
      deadTtl: spanIn(draft.deadTtl),
      maxDead: countIn(draft.maxDead),
      defaultMaxRetries: countIn(draft.defaultMaxRetries),
      defaultBackoff: backoff,
      defaultTimeout: spanIn(draft.defaultTimeout),
      defaultTtl: spanIn(draft.defaultTtl),
    };
    const name = draft.name.trim();
    try {
      const answer =
        queue === undefined
          ? await api.queues.createQueue({ name, settings: news })
          : await api.queues.updateQueue({ queue: { name, settings: news }, updateMask: { paths: ["settings"] } });
      takeQueue(answer.queue);
      tell(queue === undefined ? `Queue ${name} is there.` : `The settings of ${name} are changed.`);
      onClose();
    } catch (error) {
      // The last part of a name is that of the field, but for those that have parts of their own.
      const nameOf = (field: string) =>
        ["default_backoff", "rate_limit"].find((name) => field.includes(name)) ?? field.split(".").at(-1) ?? field;
      const fields = [...badFields(error)].map(([field, text]) => [nameOf(field), text] as const);
      setProblems(new Map(fields.map(([field, text]) => [camelCase(field), text])));
      setFailure(explain(error));
    }
  };

  return (
    <Dialog title={queue === undefined ? "New queue" : `Settings of ${queue.name}`} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {queue === undefined && (
          <Field label="Name" problem={problems.get("name")} hint="Lower-case letters, digits, and . _ - inside.">
            <input autocomplete="off" spellcheck={false} {...bind("name")} />
          </Field>
        )}
        <Field label="Order" problem={problems.get("ordering")} hint="Can be changed only while no job waits.">
          <select {...bind("ordering")}>
            <option value={String(QueueOrdering.PRIORITY)}>highest priority first</option>
            <option value={String(QueueOrdering.RUN_AFTER)}>earliest first</option>
            <option value={String(QueueOrdering.FAIR)}>keys take turns</option>
          </select>
        </Field>
        <Field
          label="Weight"
          problem={problems.get("weight")}
          hint="Its share among queues, where the server weighs them."
        >
          <input inputMode="numeric" placeholder="1" {...bind("weight")} />
        </Field>
        <Field label="Most jobs at once" problem={problems.get("maxConcurrency")} hint="On all servers together.">
          <input inputMode="numeric" placeholder="no limit" {...bind("maxConcurrency")} />
        </Field>
        <Field
          label="Most jobs of one key at once"
          problem={problems.get("maxConcurrencyPerKey")}
          hint="On all servers together; jobs without a key are not bounded by it."
        >
          <input inputMode="numeric" placeholder="no limit" {...bind("maxConcurrencyPerKey")} />
        </Field>
        <Field
          label="Rate"
          problem={problems.get("rateLimit")}
          hint="Jobs handed out in a time, on all servers together: 100 per 1m, or 100 per 1m, burst 5."
        >
          <input placeholder="no limit" {...bind("rateLimit")} />
        </Field>
        <Field label="Most jobs that wait" problem={problems.get("maxDepth")} hint="More are refused with QUEUE_FULL.">
          <input inputMode="numeric" placeholder="no limit" {...bind("maxDepth")} />
        </Field>
        <Field label="Keep finished jobs for" problem={problems.get("completedTtl")} hint="As in 90s, 5m, 2h or 7d.">
          <input placeholder="as the server says" {...bind("completedTtl")} />
        </Field>
        <Field label="Most finished jobs kept" problem={problems.get("maxCompleted")} hint="The oldest go first.">
          <input inputMode="numeric" placeholder="as the server says" {...bind("maxCompleted")} />
        </Field>
        <Field label="Keep dead jobs for" problem={problems.get("deadTtl")} hint="Then they are deleted for good.">
          <input placeholder="until somebody deletes them" {...bind("deadTtl")} />
        </Field>
        <Field label="Most dead jobs kept" problem={problems.get("maxDead")} hint="Those that died first are deleted.">
          <input inputMode="numeric" placeholder="no limit" {...bind("maxDead")} />
        </Field>
        <Field label="Retries" problem={problems.get("defaultMaxRetries")} hint="Of jobs that say nothing of it.">
          <input inputMode="numeric" placeholder="as the server says" {...bind("defaultMaxRetries")} />
        </Field>
        <Field
          label="Waits between retries"
          problem={problems.get("defaultBackoff")}
          hint="100ms x 2 up to 5s, or a list: 1s, 1m, 1h."
        >
          <input placeholder="as the server says" {...bind("defaultBackoff")} />
        </Field>
        <Field label="Timeout" problem={problems.get("defaultTimeout")} hint="Of one attempt, as in 30s.">
          <input placeholder="none" {...bind("defaultTimeout")} />
        </Field>
        <Field label="Jobs expire after" problem={problems.get("defaultTtl")} hint="If they have not begun by then.">
          <input placeholder="never" {...bind("defaultTtl")} />
        </Field>
        <FormEnd
          failure={failure}
          submit={queue === undefined ? "Create the queue" : "Change the settings"}
          onClose={onClose}
        />
      </form>
    </Dialog>
  );
}
