import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { type BackendHarness, type ContractOptions, Recorder, timeOf } from "./harness.js";

/** A memory backend on a clock of its own, not started. */
export function openMemory(options?: Partial<ContractOptions>) {
  const clock = new FakeClock();
  return { clock, backend: createMemoryBackend({ clock, random: seeded() }, options) };
}

/** Memory backends whose time stands still except for `advance`. */
export const memoryHarness: BackendHarness = {
  async open(options) {
    const { clock, backend } = openMemory(options);
    const heard = new Recorder();
    await backend.start(heard);
    return {
      backend,
      heard,
      ...timeOf(clock),
      // The listener is called before an operation resolves.
      settled: async () => {},
      close: () => backend.stop(),
    };
  },
};

/** Returns numbers from 0 to 1, the same in every run. */
function seeded(): () => number {
  let state = 0.42;
  return () => {
    state = (state * 16_807) % 1;
    return state;
  };
}
