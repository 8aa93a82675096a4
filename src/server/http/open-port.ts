import { type AddressInfo, createServer, type Socket } from "node:net";

/** Hears of the connections that come to a port. */
export interface PortTaker {
  /** A connection came; it is the taker's now. Each side of it may close by itself (`allowHalfOpen`). */
  taken(socket: Socket): void;
  /** One could not be accepted: the process has no file descriptors left, for instance. */
  failed(error: Error): void;
}

/** A port that takes connections. */
export interface OpenPort {
  readonly address: AddressInfo;
  /** Takes no more of them; those that were taken stay. Resolves when the last one was taken. */
  close(): Promise<void>;
}

/** Opens a port. Rejects when it cannot listen there. */
export type PortOpener = (port: number, host: string, taker: PortTaker) => Promise<OpenPort>;

/**
 * Opens a port of this machine. `isPaused`: nothing is read from its connections here, so that another process can do that from the
 * first byte on.
 */
export function openTcpPort(port: number, host: string, taker: PortTaker, isPaused = false): Promise<OpenPort> {
  const options = { noDelay: true, keepAlive: true, allowHalfOpen: true, pauseOnConnect: isPaused };
  const server = createServer(options, (socket) => taker.taken(socket));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      server.on("error", (error) => taker.failed(error));
      resolve({ address: server.address() as AddressInfo, close: async () => void server.close() });
    });
  });
}
