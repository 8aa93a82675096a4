import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

/** Properties of `Dialog`. */
export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A modal dialog: the browser keeps the focus inside, and Escape closes it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = element.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onCancel={(event: Event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

/** The end of a form in a dialog: what went wrong ("": nothing), a button that leaves all as it is, and one that submits. */
export function FormEnd({
  failure,
  submit,
  onClose,
}: {
  readonly failure: string;
  readonly submit: string;
  readonly onClose: () => void;
}) {
  return (
    <>
      {failure !== "" && (
        <p class="problem" role="alert">
          {failure}
        </p>
      )}
      <div class="actions end">
        <button type="button" onClick={onClose}>
          Keep as it is
        </button>
        <button type="submit" class="primary">
          {submit}
        </button>
      </div>
    </>
  );
}

/** A question to confirm an action that cannot be undone. */
export interface Question {
  readonly title: string;
  readonly text: string;
  /** The text of the button that confirms, as in "Delete 3 jobs". */
  readonly agree: string;
  readonly isDanger?: boolean;
}

const asked = signal<{ readonly question: Question; readonly answer: (agreed: boolean) => void } | undefined>(
  undefined,
);

/** Asks the user. Resolves to whether they agreed. */
export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      question,
      answer(agreed) {
        asked.value = undefined;
        resolve(agreed);
      },
    };
  });
}

/** Shows the question that `confirm` asks. */
export function Confirmation() {
  const current = asked.value;
  if (current === undefined) return null;
  const { title, text, agree, isDanger = false } = current.question;
  return (
    <Dialog title={title} onClose={() => current.answer(false)}>
      <p class="wrap">{text}</p>
      <div class="actions end">
        <button type="button" onClick={() => current.answer(false)}>
          Keep as it is
        </button>
        <button type="button" class={isDanger ? "danger" : "primary"} onClick={() => current.answer(true)}>
          {agree}
        </button>
      </div>
    </Dialog>
  );
}
