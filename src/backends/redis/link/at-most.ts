/** Does something for each item, for at most so many at the same time. Rejects at the first that fails; no more are begun then. */
export async function atMost<T>(count: number, items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let isFailed = false;
  const work = async () => {
    while (next < items.length && !isFailed) {
      try {
        await act(items[next++] as T);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, work));
}
