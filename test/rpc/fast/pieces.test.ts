import fc from "fast-check";
import { expect, test } from "vitest";
import { Pieces } from "../../../src/rpc/fast/pieces.js";

test("pieces of any sizes make the whole", () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 900, max: 9000 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(sizes, (given) => {
      const pieces = new Pieces();
      const parts = given.map((size, index) => Buffer.alloc(size, index + 1));
      for (const part of parts) pieces.add(part);
      expect(pieces.size).toBe(parts.reduce((sum, part) => sum + part.length, 0));
      expect(Buffer.compare(pieces.whole(), Buffer.concat(parts))).toBe(0);
    }),
  );
});

test("pieces of a byte are not kept one by one", () => {
  const pieces = new Pieces();
  const before = process.memoryUsage();
  for (let index = 0; index < 400_000; index++) pieces.add(Buffer.alloc(1));
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  // Kept, each of them takes some 100 bytes, and holds what it was cut from.
  expect(heapUsed - before.heapUsed + arrayBuffers - before.arrayBuffers).toBeLessThan(30_000_000);
  expect(pieces.whole()).toHaveLength(400_000);
});
