import { randomBytes } from "node:crypto";
import { chmod, unlink } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Backend } from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import { type IdGenerator, MAX_NODE_ID } from "../../model/queue/ids.js";
import { SharedStoreUnusable } from "./link/store-away.js";
import { ChangedQueues } from "./store/changed-queues.js";
import { FiguresTurn } from "./store/figures-turn.js";
import { Followers } from "./store/followers.js";
import { LeaseHolders } from "./store/lease-holders.js";
import { Peer } from "./store/peer.js";
import { ReadyTurns } from "./store/ready-turns.js";
import { Serving } from "./store/serving.js";
import { StoreListener } from "./store/store-listener.js";
import { TickTurns } from "./store/tick-turns.js";

/** Dependencies of a shared store. */
export interface SharedStoreDeps {
  /** Keeps the jobs: in memory or in a file. The store starts and stops it. */
  readonly backend: Backend;
  /** Makes the ids of its jobs, if they were made here: those of all servers are larger than one that it makes when they connect. */
  readonly ids: IdGenerator;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Settings of a shared store. */
export interface SharedStoreOptions {
  /** A unix socket, or on Windows a named pipe. Only this user can connect to it. One that is left of a process that ended is replaced. */
  readonly path: string;
  /** Node id of `ids`; those of the servers follow it. Default 0. */
  readonly nodeId?: number | undefined;
}

/** A store that several processes of this machine share. */
export interface SharedStore {
  /** Starts the backend and listens. Rejects with `SharedStoreUnusable` when it cannot listen there, and as the backend does. */
  start(): Promise<void>;
  /** Ends all connections, then stops the backend. Idempotent. */
  stop(): Promise<void>;
  /** How many servers are connected. */
  readonly servers: number;
}

/** How many node ids there are. */
const NODES = MAX_NODE_ID + 1;

/**
 * Serves a backend to other processes, which connect with `connectSharedStore`. It must be one whose operations decide in the order of
 * their calls, and whose cursors are the same for all watches: memory or a file.
 */
export function createSharedStore(deps: SharedStoreDeps, { path, nodeId = 0 }: SharedStoreOptions): SharedStore {
  const { backend, ids, clock, logger } = deps;
  const boot = randomBytes(6).toString("base64url");
  /** All connections, and of them those that have said hello. */
  const sockets = new Set<Peer>();
  const peers = new Set<Peer>();
  const dirty = new Set<Peer>();
  let isFlushing = false;
  let nodes = nodeId;
  let server: Server | undefined;
  let stopped: Promise<void> | undefined;

  const ready = new ReadyTurns(clock, peers);
  const ticks = new TickTurns(clock, peers);
  const holders = new LeaseHolders();
  const figures = new FiguresTurn(clock);
  const followers = new Followers();
  const counts = new ChangedQueues(clock, followers.counts);
  const listener = new StoreListener({
    ...{ backend, peers, ready, ticks, holders, followers, counts },
    changed: flushSoon,
  });
  const serving = new Serving({ backend, logger, peers, listener, ready, ticks, holders, figures, admit });

  /** What is said in the same turn travels together. */
  function flushSoon(): void {
    if (isFlushing) return;
    isFlushing = true;
    setImmediate(() => {
      isFlushing = false;
      listener.tellChanges();
      for (const peer of dirty) {
        listener.tellPosition(peer);
        peer.flush();
      }
      dirty.clear();
    });
  }

  function admit(peer: Peer) {
    const used = new Set([...peers].map(({ node }) => node));
    do nodes = (nodes + 1) % NODES;
    while (used.has(nodes) || nodes === nodeId);
    peer.node = nodes;
    peers.add(peer);
    ticks.came(peer);
    return { boot, kind: backend.kind, durable: backend.durable, node: nodes, after: ids.next() };
  }

  function connected(socket: Socket): void {
    if (sockets.size >= NODES - 1) {
      socket.destroy();
      return;
    }
    const peer = new Peer(socket, {
      serve: (each, request) => serving.serve(each, request),
      dirty(each) {
        dirty.add(each);
        flushSoon();
      },
      caughtUp: (each) => listener.catchUp(each),
      closed(each) {
        sockets.delete(each);
        dirty.delete(each);
        if (!peers.delete(each)) return;
        for (const part of [ready, holders, figures, ticks, followers]) part.gone(each);
      },
      broken: (error) => logger.error({ err: error }, "what a server says to the store cannot be read"),
    });
    sockets.add(peer);
  }

  async function start(): Promise<void> {
    await backend.start(listener);
    server = createServer(connected);
    try {
      await listen(server, path);
    } catch (error) {
      await stop();
      throw new SharedStoreUnusable(`cannot listen at ${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  async function stop(): Promise<void> {
    const listening = server;
    for (const peer of sockets) peer.end();
    if (listening?.listening) await new Promise<void>((resolve) => ending(listening, resolve));
    for (const part of [ready, ticks, counts]) part.stop();
    await backend.stop();
  }

  /** Closes the server; connections that do not end by themselves soon are cut. */
  function ending(listening: Server, ended: () => void): void {
    const timer = clock.setTimer(STOP_MS, () => {
      for (const peer of sockets) peer.destroy();
    });
    listening.close(() => {
      timer.cancel();
      ended();
    });
  }

  return {
    start,
    stop() {
      stopped ??= stop();
      return stopped;
    },
    get servers() {
      return peers.size;
    },
  };
}

/** How long connections have to end at a stop, ms. */
const STOP_MS = 500;

/** Listens, in place of a process that has ended and left its socket. */
async function listen(server: Server, path: string): Promise<void> {
  try {
    await listenOnce(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || (await isAnswered(path))) throw error;
    await unlink(path);
    await listenOnce(server, path);
  }
  // Nobody else may connect. Named pipes have no mode.
  if (process.platform !== "win32") await chmod(path, 0o600);
}

function listenOnce(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

/** Whether somebody listens there. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
