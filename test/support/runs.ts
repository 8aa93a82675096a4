/** Whether random tests try new values, and more of them, as in `npm run test:long`. Else they try the same ones each time. */
export const isThorough = process.env.GOTASKQ_TEST_SEED === "random";

/** How many times as many values are tried in `npm run test:long`. */
export const MORE = isThorough ? 4 : 1;

/** How many values a random test tries: so many with every change, four times as many in `npm run test:long`. */
export function runs(few: number): number {
  return few * MORE;
}
