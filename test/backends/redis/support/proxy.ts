import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A proxy between a server and its Redis. */
export interface Proxy {
  readonly port: number;
  /** From now on nothing passes on the open connections, and neither side is told. New ones work. */
  deaden(): void;
  /** Loses the next answer of Redis and cuts all connections. New ones work. */
  loseNextAnswer(): void;
}

/** Starts a proxy to a port of this machine; it ends with the test. */
export async function startProxy(target: number): Promise<Proxy> {
  const open = new Set<Socket>();
  let pairs: { near: Socket; far: Socket }[] = [];
  let isLosing = false;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on("data", (chunk) => {
        if (isLosing && socket === far) {
          isLosing = false;
          for (const pair of pairs) pair.far.destroy();
          pairs = [];
        } else other.write(chunk);
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    pairs.push({ near, far });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    deaden() {
      for (const { near, far } of pairs) {
        for (const socket of [near, far]) socket.removeAllListeners("data").pause();
      }
      pairs = [];
    },
    loseNextAnswer() {
      isLosing = true;
    },
  };
}
