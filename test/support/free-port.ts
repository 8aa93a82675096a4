import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that systems use for outgoing connections: while a server is down, no connection can take its port,
 * and no client that keeps calling can connect to itself.
 */
const [FIRST, END] = [20_000, 32_000];

const given = new Set<number>();

/** Returns a port of the loopback address on which nobody listens. Each call returns another one. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(FIRST, END);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no port from ${FIRST} to ${END} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
