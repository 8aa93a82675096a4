import { type RedisServer, startRedis } from "../support/redis-server.js";

/** A Redis that only this row uses. */
export interface BenchRedis extends Pick<RedisServer, "url" | "address" | "pid" | "dispose"> {
  readonly version: string;
  /** Empties it and waits for that: memory that is freed later would take time from what is measured next. */
  flush(): Promise<void>;
  /** What Redis tells of itself in this section. */
  info(section: string): Promise<string>;
}

/** Starts it on a port of the loopback address, as programs reach theirs. It keeps nothing on disk, or an append-only file. */
export async function startBenchRedis(aof?: "always" | "everysec"): Promise<BenchRedis> {
  const server = await startRedis({ port: true, ...(aof && { aof }) });
  const admin = server.client();
  const version = /redis_version:(\S+)/.exec(await admin.info("server"))?.[1] ?? "unknown";
  return {
    url: server.url,
    address: server.address,
    pid: server.pid,
    version,
    dispose: server.dispose,
    async flush() {
      await admin.flushall("SYNC");
    },
    info: (section) => admin.info(section),
  };
}
