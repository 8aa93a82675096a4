/** A sentence that says which waiting jobs nobody takes; nothing without one. */
export function Untaken({ sentence }: { readonly sentence: string | undefined }) {
  return sentence === undefined ? null : <p class="untaken wrap">{sentence}</p>;
}
