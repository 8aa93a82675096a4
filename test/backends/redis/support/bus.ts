import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterAll } from "vitest";

/** The bus of a cluster: the connections by which its nodes tell each other what was published. */
export interface Bus {
  /** A way to the bus port of a node, for the other nodes; returns its port. */
  wayTo(port: number): Promise<number>;
  /** Loses what nodes send each other, silently, or only what has this text in it, until the returned function is called. */
  lose(text?: string): () => void;
  /** Breaks all connections: the nodes make others. */
  cut(): void;
}

/** Makes a bus whose messages can be lost. It ends with the tests of the file. */
export function createBus(): Bus {
  const servers: Server[] = [];
  const open = new Set<Socket>();
  let isLost = (_message: Buffer) => false;
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  afterAll(() => {
    for (const server of servers) server.close();
    cut();
  });
  return {
    async wayTo(port) {
      const server = createServer((near) => {
        const far = connect(port, "127.0.0.1");
        for (const [socket, other] of [
          [near, far],
          [far, near],
        ] as const) {
          open.add(socket);
          const split = createSplitter();
          socket.on("data", (piece: Buffer) => {
            for (const message of split(piece)) if (!isLost(message)) other.write(message);
          });
          socket.on("error", () => {});
          socket.on("close", () => {
            open.delete(socket);
            other.destroy();
          });
        }
      });
      servers.push(server.listen(0, "127.0.0.1"));
      await once(server, "listening");
      return (server.address() as AddressInfo).port;
    },
    lose(text = "") {
      isLost = (message) => message.includes(text);
      return () => {
        isLost = () => false;
      };
    },
    cut,
  };
}

/**
 * Returns what takes the pieces of a connection, and gives its messages: each begins with `RCmb` and its length, 4 bytes each (clusterMsg in
 * cluster_legacy.h of Redis). Messages that follow each other quickly come in one piece.
 */
function createSplitter(): (piece: Buffer) => readonly Buffer[] {
  let rest = Buffer.alloc(0);
  return (piece) => {
    const messages: Buffer[] = [];
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= 8 && rest.length >= rest.readUInt32BE(4)) {
      const length = rest.readUInt32BE(4);
      messages.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    return messages;
  };
}
