/** Properties of `TextBlock`. */
export interface TextBlockProps {
  /** Describes the text for screen readers. */
  readonly label: string;
  readonly text: string;
  readonly isError?: boolean;
}

/** Shows text that came with a job, unchanged, in a box that scrolls. It is never treated as markup. */
export function TextBlock({ label, text, isError = false }: TextBlockProps) {
  return (
    <section
      class={isError ? "text error" : "text"}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <pre>{text}</pre>
    </section>
  );
}
