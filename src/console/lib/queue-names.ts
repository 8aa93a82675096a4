import { api } from "./api.js";
import { useLoaded } from "./use-loaded.js";

/** How often the names are read, ms. */
const EVERY_MS = 10_000;

/** The names of all queues, to choose from. `selected` is always among them, even if that queue does not exist. */
export function useQueueNames(selected: string): readonly string[] {
  const { value } = useLoaded((signal) => api.queues.listQueues({}, { signal }), "queues", EVERY_MS);
  const names = value?.queues.map(({ name }) => name) ?? [];
  return selected === "" || names.includes(selected) ? names : [selected, ...names];
}
