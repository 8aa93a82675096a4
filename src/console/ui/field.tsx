import type { ComponentChildren } from "preact";
import { cloneElement, type VNode } from "preact";
import { useId } from "preact/hooks";

/** Properties of `Field`. */
export interface FieldProps {
  readonly label: string;
  /** What is wrong with the value; undefined when nothing is. */
  readonly problem?: string | undefined;
  readonly hint?: ComponentChildren;
  /** The input element. */
  readonly children: VNode;
}

/** An input with its label, a hint, and what is wrong with its value. */
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
