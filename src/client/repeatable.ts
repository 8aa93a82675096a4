import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";

const IS_REPEATABLE = createContextKey(false);

/** What a call that is safe to repeat hands to its transport: a second one changes nothing more, so the transport may make it twice. */
export const REPEATABLE: ContextValues = createContextValues().set(IS_REPEATABLE, true);

/** Whether a call is safe to repeat, as far as its transport was told. */
export function isRepeatable(values: ContextValues | undefined): boolean {
  return values?.get(IS_REPEATABLE) === true;
}
