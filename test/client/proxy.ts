import { once } from "node:events";
import { connect as connectTo, createServer, type Socket } from "node:net";
import { atEnd } from "./support.js";

/** Starts a proxy to a server, whose connections can be broken. It is closed after the test. */
export async function startProxy(target: number) {
  const sockets = new Set<Socket>();
  let port = target;
  const proxy = createServer((socket) => {
    const onward = connectTo(port, "127.0.0.1");
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.once("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  atEnd(() => {
    cut();
    proxy.close();
  });
  const address = proxy.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    /** Breaks every connection; new ones are accepted. */
    cut,
    /** Sends new connections to another port. */
    lead(to: number) {
      port = to;
    },
  };
}
