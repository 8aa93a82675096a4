import { once } from "node:events";
import { connect as connectTo, createServer, type Socket } from "node:net";
import { tieSockets } from "../support/tie-sockets.js";
import { atEnd } from "./support.js";

/**
 * Starts a proxy to a server, whose connections can be broken. It is closed after the test. `bytesPerSecond`: what it passes on from
 * the server, over all connections; it takes no more in advance than what sockets hold.
 */
export async function startProxy(target: number, bytesPerSecond = Number.POSITIVE_INFINITY) {
  const throttle = throttled(bytesPerSecond);
  const sockets = new Set<Socket>();
  const answers = new Map<Socket, Socket>();
  let port = target;
  const proxy = createServer((socket) => {
    const onward = connectTo(port, "127.0.0.1");
    tieSockets(socket, onward, sockets);
    socket.pipe(onward);
    answers.set(onward, socket);
    onward.once("close", () => answers.delete(onward));
    if (Number.isFinite(bytesPerSecond)) throttle(onward, socket);
    else onward.pipe(socket);
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
    /** Keeps back all answers of the connections that are open, for good. */
    mute() {
      for (const [onward, socket] of answers) onward.unpipe(socket);
    },
    /** Sends new connections to another port. */
    lead(to: number) {
      port = to;
    },
  };
}

/** Passes data on, at a rate that all pairs of sockets share. */
function throttled(bytesPerSecond: number) {
  let freeAt = performance.now();
  return (from: Socket, to: Socket): void => {
    from.on("data", (data) => {
      to.write(data);
      freeAt = Math.max(freeAt, performance.now()) + (data.length / bytesPerSecond) * 1000;
      from.pause();
      setTimeout(() => from.resume(), freeAt - performance.now());
    });
  };
}
