import { describe, expect, onTestFinished, test, vi } from "vitest";
import { forgetAbort, listenToAbort } from "../../../src/model/process/abort-listeners.js";

describe("listeners of a signal", () => {
  test("are many without a warning, are told once, in order, and not after they were forgotten", async () => {
    const warned = vi.fn();
    process.on("warning", warned);
    onTestFinished(() => void process.off("warning", warned));
    const { signal, abort } = controller();
    const told: number[] = [];
    const all = Array.from({ length: 100 }, (_, index) => ({ aborted: () => void told.push(index) }));
    for (const each of all) listenToAbort(signal, each);
    for (const each of all.slice(0, 50)) forgetAbort(signal, each);
    abort();
    abort();
    expect(told).toEqual(Array.from({ length: 50 }, (_, index) => index + 50));
    await new Promise(setImmediate);
    expect(warned).not.toHaveBeenCalled();
  });

  test("may forget others and themselves while they are told", () => {
    const { signal, abort } = controller();
    const told: string[] = [];
    const second = { aborted: () => void told.push("second") };
    const first = {
      aborted() {
        told.push("first");
        forgetAbort(signal, second);
        forgetAbort(signal, first);
      },
    };
    listenToAbort(signal, first);
    listenToAbort(signal, second);
    abort();
    expect(told).toEqual(["first", "second"]);
  });

  test("leave nothing on a signal when the last is forgotten, and may come back", () => {
    const { signal, abort } = controller();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const told = vi.fn();
    const listener = { aborted: told };
    for (let i = 0; i < 3; i++) {
      listenToAbort(signal, listener);
      forgetAbort(signal, listener);
      forgetAbort(signal, listener);
    }
    expect(added).toHaveBeenCalledTimes(3);
    expect(removed).toHaveBeenCalledTimes(3);
    listenToAbort(signal, listener);
    abort();
    expect(told).toHaveBeenCalledTimes(1);
  });
});

function controller() {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}
