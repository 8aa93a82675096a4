import { useEffect, useState } from "preact/hooks";
import { useQueueNames } from "../lib/queue-names.js";
import { Field } from "./field.js";

/** How long typing has to rest before it counts, ms. */
const REST_MS = 300;

/** Chooses a queue, or all. */
export function QueueSelect({
  value,
  onChange,
}: {
  readonly value: string;
  readonly onChange: (queue: string) => void;
}) {
  const names = useQueueNames(value);
  return (
    <Field label="Queue">
      <select value={value} onChange={(event: Event) => onChange((event.currentTarget as HTMLSelectElement).value)}>
        <option value="">all</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A text that filters once typing rests. */
export interface FilterTextProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder: string;
  readonly onChange: (text: string) => void;
}

/** A filter that is typed. */
export function FilterText({ label, value, placeholder, onChange }: FilterTextProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  // Only typing starts the wait.
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onChange(text.trim()), REST_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <Field label={label}>
      <input
        type="search"
        value={text}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        onInput={(event: Event) => setText((event.currentTarget as HTMLInputElement).value)}
        // Enter, or the way to a button: what that button does must be about what is seen in the field.
        onChange={() => onChange(text.trim())}
      />
    </Field>
  );
}
