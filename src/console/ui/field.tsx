import type { ComponentChildren } from "preact";
import { cloneElement, type VNode } from "preact";
import { useId } from "preact/hooks";

/** What a field of a form is made of. */
export interface FieldProps {
  readonly label: string;
  /** What is wrong with it; undefined: nothing. */
  readonly problem?: string | undefined;
  readonly hint?: ComponentChildren;
  /** The input itself. */
  readonly children: VNode;
}

/** An input with its label, a hint, and what is wrong with it. */
export function Field({ label, problem, hint, children }: FieldProps) {
  const id = useId();
  const notes = [hint ? `${id}-hint` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {cloneElement(children, {
        id,
        "aria-invalid": problem ? true : undefined,
        "aria-describedby": notes || undefined,
      })}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}
