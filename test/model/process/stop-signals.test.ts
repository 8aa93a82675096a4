import { EventEmitter } from "node:events";
import { beforeEach, describe, expect, test } from "vitest";
import { onStopSignals, type StopSignal } from "../../../src/model/process/stop-signals.js";

describe("onStopSignals", () => {
  let source: EventEmitter;
  let now: number;
  let calls: string[];
  let forget: () => void;
  const send = (signal: StopSignal) => source.emit(signal, signal);

  beforeEach(() => {
    source = new EventEmitter();
    now = 1000;
    calls = [];
    forget = onStopSignals(source, () => now, {
      stop: (signal) => calls.push(`stop ${signal}`),
      again: (signal) => calls.push(`again ${signal}`),
    });
  });

  test("takes a signal that is handed on for the one that it is", () => {
    send("SIGINT");
    now += 499;
    send("SIGINT");
    expect(calls).toEqual(["stop SIGINT"]);
  });

  test("ends at once when the same signal comes later, at each one", () => {
    send("SIGTERM");
    now += 500;
    send("SIGTERM");
    send("SIGTERM");
    expect(calls).toEqual(["stop SIGTERM", "again SIGTERM", "again SIGTERM"]);
  });

  test("ends at once when another signal comes, however soon", () => {
    send("SIGTERM");
    send("SIGINT");
    expect(calls).toEqual(["stop SIGTERM", "again SIGINT"]);
  });

  test("listens no more once it is told so", () => {
    forget();
    expect(source.eventNames()).toEqual([]);
  });
});
