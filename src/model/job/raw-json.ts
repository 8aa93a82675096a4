/**
 * A payload as JSON text, for who has it as that: it is checked, and sent to the letter, so that big integers, the spelling of numbers and
 * the order of names survive. Passed in place of the value.
 */
export class PayloadText {
  constructor(readonly text: string) {}
}
