import type { Socket } from "node:net";

/** Ends each of two sockets when the other closes, and keeps them in a set until then. */
export function tieSockets(one: Socket, other: Socket, open: Set<Socket>): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    open.add(from);
    from.on("error", () => {});
    from.once("close", () => {
      open.delete(from);
      to.destroy();
    });
  }
}
