import { useEffect, useState } from "preact/hooks";
import { useQueueNames } from "../lib/queue-names.js";
import { Field } from "./field.js";

/** How long the user must not have typed before the filter takes effect, ms. */
const REST_MS = 300;

/** A select for one queue, or all. */
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

/** Properties of `FilterText`. */
export interface FilterTextProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder: string;
  readonly onChange: (text: string) => void;
}

/** A text filter that takes effect shortly after the user has stopped typing. */
export function FilterText({ label, value, placeholder, onChange }: FilterTextProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  // The wait starts only when the text is typed, not when it comes from the address.
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
        // Takes effect at once on Enter or when the focus moves to a button: what that button does must match the
        // visible text.
        onChange={() => onChange(text.trim())}
      />
    </Field>
  );
}
