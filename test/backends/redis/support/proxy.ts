import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A proxy between a server and its Redis. */
export interface Proxy {
  readonly port: number;
  /** From now on nothing passes on the connections there are, and nobody is told; new ones work. Default: on all. */
  deaden(which?: "the channel's" | "all"): void;
  /** As `deaden`, and new ones are accepted and stay silent too, until the returned function is called. */
  hush(): () => void;
  /** Holds back what comes over the channel once it is subscribed to, until the returned function is called. */
  lag(): () => void;
  /** Connections that were accepted so far. */
  readonly accepted: number;
  /**
   * When Redis answers something next, that is lost, and all connections are cut; new ones work once `meanwhile` has resolved.
   * Resolves when that is so.
   */
  loseNextAnswer(meanwhile?: () => Promise<unknown>): Promise<void>;
}

/** Starts a proxy to a port of this machine; it ends with the test. */
export async function startProxy(target: number): Promise<Proxy> {
  const open = new Set<Socket>();
  let pairs: { near: Socket; far: Socket; isChannel: boolean; isSubscribed: boolean }[] = [];
  let lose: (() => void) | undefined;
  let isHeld = false;
  let lagging: (() => void)[] | undefined;
  let isHushed = false;
  let accepted = 0;
  const server = createServer((near) => {
    accepted++;
    if (isHeld) {
      near.on("error", () => {}).destroy();
      return;
    }
    if (isHushed) {
      open.add(near.on("error", () => {}).on("close", () => open.delete(near)));
      return;
    }
    const far = connect(target, "127.0.0.1");
    const pair = { near, far, isChannel: false, isSubscribed: false };
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on("data", (chunk: Buffer) => {
        pair.isChannel ||= socket === near && chunk.includes("subscribe");
        const isNotice = socket === far && pair.isSubscribed;
        pair.isSubscribed ||= socket === far && pair.isChannel && chunk.includes("subscribe");
        if (isNotice && lagging !== undefined) lagging.push(() => other.write(chunk));
        else if (lose !== undefined && socket === far && !pair.isChannel) lose();
        else other.write(chunk);
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    pairs.push(pair);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  function deaden(which = "all"): void {
    const isDead = (pair: (typeof pairs)[number]) => which === "all" || pair.isChannel;
    for (const { near, far } of pairs.filter(isDead)) {
      for (const socket of [near, far]) socket.removeAllListeners("data").pause();
    }
    pairs = pairs.filter((pair) => !isDead(pair));
  }
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    deaden,
    hush() {
      deaden();
      isHushed = true;
      return () => {
        isHushed = false;
      };
    },
    lag() {
      lagging = [];
      return () => {
        for (const pass of lagging ?? []) pass();
        lagging = undefined;
      };
    },
    loseNextAnswer(meanwhile = async () => {}) {
      return new Promise((resolve, reject) => {
        lose = () => {
          lose = undefined;
          isHeld = true;
          for (const each of pairs) each.far.destroy();
          pairs = [];
          meanwhile()
            .finally(() => {
              isHeld = false;
            })
            .then(() => resolve(), reject);
        };
      });
    },
  };
}
