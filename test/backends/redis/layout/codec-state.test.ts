import { expect, test } from "vitest";
import { readChanges } from "../../../../src/backends/redis/layout/codec-state.js";
import { encodeFields } from "../../../../src/backends/redis/layout/decode.js";
import { CODES } from "../../../../src/backends/redis/layout/table.js";

const AT = 1_790_000_000_000;
const { kind, status } = CODES;

function changed(id: string, deliveries: number, tail: object = { type: "a" }): string {
  const state = { status: status.RUNNING, priority: 3, deliveries, revision: 2, updated_at: AT, cancel_requested: 1 };
  return `${encodeFields("change", { kind: kind.changed, ...state })}${id} ${JSON.stringify(tail)}\n`;
}

function created(id: string, priority: number): string {
  return `${encodeFields("creation", { kind: kind.created, priority, run_after: AT })}${id} {"type":"a"}\n`;
}

test("each change of an entry is read as if it were alone, whatever it shares with those around it", () => {
  const records = [
    ...[changed("1", 1), changed("2", 1), changed("3", 2), changed("4", 2, { type: "b" }), changed("5", 1)],
    ...[changed("6", 1, { type: "a", error: "x", percent: "50" }), changed("7", 1), created("8", 3), created("9", 3)],
    ...[created("10", 4), changed("11", 1), changed("11", 1)],
  ];
  const alone = records.flatMap((record) => readChanges("default", AT, record));
  const together = readChanges("default", AT, records.join(""));
  expect(together).toEqual(alone);
  expect(together.map(({ jobId, type, deliveries, priority }) => [jobId, type, deliveries, priority])).toEqual([
    ...[
      ["1", "a", 1, 3],
      ["2", "a", 1, 3],
      ["3", "a", 2, 3],
      ["4", "b", 2, 3],
      ["5", "a", 1, 3],
      ["6", "a", 1, 3],
    ],
    ...[
      ["7", "a", 1, 3],
      ["8", "a", 0, 3],
      ["9", "a", 0, 3],
      ["10", "a", 0, 4],
      ["11", "a", 1, 3],
      ["11", "a", 1, 3],
    ],
  ]);
  expect(together.map(({ progress }) => progress?.percent)).toEqual(
    records.map((_, at) => (at === 5 ? 50 : undefined)),
  );
});
