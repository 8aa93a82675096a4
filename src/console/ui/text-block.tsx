/** Text of a job as it is, in a box that scrolls. */
export interface TextBlockProps {
  /** What it is, for those who do not see it. */
  readonly label: string;
  readonly text: string;
  readonly isError?: boolean;
}

/** Shows text that somebody else wrote: never as anything but text. */
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
