import { describe, expect, test } from "vitest";
import { createConnectionRoom } from "../../../src/server/http/connection-room.js";

describe("a room for connections", () => {
  test("has so many of one address, and gives places back", () => {
    const room = createConnectionRoom({ maxConnections: 10, maxConnectionsPerAddress: 2 });
    expect(["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(room.enter)).toEqual([
      undefined,
      undefined,
      "address_full",
      undefined,
    ]);
    room.leave("192.0.2.1");
    expect(room.enter("::ffff:192.0.2.1")).toBeUndefined();
    expect(room.enter("192.0.2.1")).toBe("address_full");
  });

  test("counts a network of version 6 as one", () => {
    const room = createConnectionRoom({ maxConnections: 10, maxConnectionsPerAddress: 1 });
    expect(["2001:db8:0:1::1", "2001:db8::1:a:b:c:d", "2001:db8:0:2::1", "2001:db8::"].map(room.enter)).toEqual([
      undefined,
      "address_full",
      undefined,
      undefined,
    ]);
  });

  test.each(["127.0.0.1", "::1", "::ffff:127.0.0.1"])("has for %s, where proxies are, as many as in all", (address) => {
    const room = createConnectionRoom({ maxConnections: 3, maxConnectionsPerAddress: 1 });
    expect(Array.from({ length: 4 }, () => room.enter(address))).toEqual([...Array(3).fill(undefined), "server_full"]);
    room.leave(address);
    expect(room.enter("192.0.2.1")).toBeUndefined();
  });
});
