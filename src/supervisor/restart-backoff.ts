/** The shortest and the longest wait before a child that keeps ending is started again, ms. */
const BASE_MS = 100;
const MAX_MS = 5000;

/**
 * How long to wait before a child is started again, ms.
 *
 * @param failures how often in a row it ended before it had proved to be of use: 1 for the first time. 0: it starts at once
 */
export function restartDelay(failures: number): number {
  return failures <= 0 ? 0 : Math.min(BASE_MS * 2 ** (failures - 1), MAX_MS);
}
