/**
 * Most that a call does for jobs that have keys, counted in looks at the first job of a type: some ms. What it does not get to is for the
 * next call, or for a sweep.
 */
export const MOST_WORK = 20_000;

/** What a hand-out counts as. */
export const WORK_OF_HAND_OUT = 50;

/** What it counts as to give a line its entry, or to take it away. */
export const WORK_OF_LINE = 20;
