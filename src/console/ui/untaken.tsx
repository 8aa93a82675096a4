import type { Untaken } from "../lib/untaken.js";

/** Says which waiting jobs nobody takes, or may not be taken; nothing where there is nothing to say. */
export function UntakenNote({ found }: { readonly found: Untaken | undefined }) {
  return found === undefined ? null : <p class={`${found.hasUntaken ? "untaken" : "hint"} wrap`}>{found.text}</p>;
}
