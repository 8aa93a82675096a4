import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tieSockets } from "../support/tie-sockets.js";
import type { Fleet } from "./fleet.js";
import type { Random } from "./random.js";

/** A way to the servers, as through a load balancer: each connection goes to any server that is alive. */
export interface Link {
  readonly url: string;
  /** Bytes a second that each connection brings from its server from now on. Undefined: as many as it can. */
  speed: number | undefined;
  close(): void;
}

/** Opens a link on a free port of the loopback address. */
export async function openLink(fleet: Fleet, random: Random): Promise<Link> {
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const member = random.pick(fleet.living());
    if (member === undefined) {
      near.destroy();
      return;
    }
    const far = connect(Number(new URL(member.url).port), "127.0.0.1");
    tieSockets(near, far, sockets);
    near.pipe(far);
    far.on("end", () => near.end());
    far.on("data", (chunk: Buffer) => {
      const isFull = !near.write(chunk);
      const ms = link.speed === undefined ? 0 : (chunk.length / link.speed) * 1000;
      if (!isFull && ms === 0) return;
      far.pause();
      const goOn = () => setTimeout(() => far.resume(), ms);
      if (isFull) near.once("drain", goOn);
      else goOn();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const link: Link = {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    speed: undefined,
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
  return link;
}
