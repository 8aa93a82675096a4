import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { inflowOf } from "../../../../src/backends/redis/link/held-socket.js";
import { createAuthority } from "../../../support/certificates.js";
import { eventually, within } from "../../../support/wait.js";

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Two ends of a connection. */
async function plain(): Promise<readonly [Socket, Socket]> {
  const server = createServer();
  const port = await listen(server);
  const accepted = once(server, "connection");
  const near = connect(port, "127.0.0.1");
  return [near, (await accepted)[0]];
}

const authority = createAuthority();
const { cert, key } = authority.issue("server");

async function secure(): Promise<readonly [Socket, Socket]> {
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) });
  const port = await listen(server);
  const accepted = once(server, "secureConnection");
  const near = connectTls({ port, host: "127.0.0.1", ca: authority.caText, servername: "localhost" });
  return [near, (await accepted)[0]];
}

describe.each([
  ["a socket", plain],
  ["a socket with TLS", secure],
])("%s", (_, open) => {
  async function opened() {
    const [near, far] = await within(open(), "the connection");
    onTestFinished(() => {
      near.destroy();
      far.destroy();
    });
    far.setNoDelay(true);
    const pieces: string[] = [];
    let hear: ((piece: string) => void) | undefined;
    near.setEncoding("utf8").on("data", (piece: string) => {
      pieces.push(piece);
      hear?.(piece);
    });
    /** Sends it; it has come when this resolves, as far as it is read. */
    const send = async (text: string) => {
      await new Promise<void>((resolve) => far.write(text, () => resolve()));
      for (let turn = 0; turn < 5; turn++) await setImmediate();
    };
    const come = (text: string) =>
      eventually(async () => pieces.join("").endsWith(text) || undefined, `${text}, behind ${pieces}`);
    const listenTo = (listener: typeof hear) => {
      hear = listener;
    };
    return { near, far, pieces, send, come, listenTo };
  }

  test("is not read while it is held, and then what has come is read at once", async () => {
    const { near, pieces, send, come, listenTo } = await opened();
    const inflow = inflowOf(near);
    let release = () => {};
    listenTo(() => {
      release = inflow.hold();
      listenTo(undefined);
    });
    await send("first");
    await come("first");
    await setImmediate();
    const before = near.bytesRead;
    for (const piece of ["1", "2", "3", "4"]) await send(piece);
    expect(near.bytesRead).toBe(before);
    expect(pieces).toEqual(["first"]);
    release();
    await come("1234");
    await send("last");
    await come("last");
  });

  test("that is held again with each piece is read on each time", async () => {
    const { near, pieces, send, come, listenTo } = await opened();
    let release = () => {};
    listenTo(() => {
      if (inflowOf(near).pending === 0) release = inflowOf(near).hold();
    });
    for (const piece of ["a", "b", "c"]) {
      await send(piece);
      await come(piece);
      await setImmediate();
      release();
    }
    expect(pieces.join("")).toBe("abc");
  });

  test("that is let go in the turn in which it was held is read on", async () => {
    const { near, send, come, listenTo } = await opened();
    listenTo(() => {
      const release = inflowOf(near).hold();
      release();
      release();
    });
    for (const piece of ["a", "b", "c"]) {
      await send(piece);
      await come(piece);
    }
  });

  test("that was closed meanwhile is let go all the same", async () => {
    const { near, come, send, listenTo } = await opened();
    let release = () => {};
    listenTo(() => {
      release = inflowOf(near).hold();
      near.destroy();
    });
    await send("a");
    await come("a");
    await setImmediate();
    release();
    expect(near.destroyed).toBe(true);
  });

  test("whose other end closes while it is held tells that once it is let go", async () => {
    const { near, far, come, send, listenTo } = await opened();
    let release = () => {};
    listenTo(() => {
      release = inflowOf(near).hold();
    });
    await send("a");
    await come("a");
    await setImmediate();
    const closed = once(near, "close");
    far.end();
    release();
    await within(closed, "the close");
  });
});
