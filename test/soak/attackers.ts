import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Crowd, Habit } from "./crowd.js";

/** How long an attack holds on to what it has, ms, at the most. */
const HOLD_MS = 4000;

/** What those do who use a server badly, by accident or not. Each ends what it began. */
export function habitsOfAttackers(crowd: Crowd): readonly Habit[] {
  const { url, token, random, signal } = crowd;
  const { hostname, port } = new URL(url);
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  const hold = () => pause(random.between(HOLD_MS / 8, HOLD_MS));
  const head = (method: string, length: number, type = "application/json") =>
    `POST /gotaskq.v1.${method} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\n` +
    `content-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`;

  /** Opens so many connections, uses them, and cuts them. */
  async function onSockets(count: number, use: (sockets: readonly Socket[]) => Promise<void>): Promise<void> {
    const sockets = Array.from({ length: count }, () => connect(Number(port), hostname).on("error", () => {}));
    try {
      await use(sockets);
    } finally {
      for (const socket of sockets) {
        if (random.next() < 0.5) socket.destroy();
        else socket.resetAndDestroy();
      }
    }
  }

  async function onSession(use: (session: ClientHttp2Session) => Promise<void>): Promise<void> {
    const session = connectHttp2(url).on("error", () => {});
    try {
      await once(session, "connect", { signal });
      await use(session);
    } finally {
      session.destroy();
    }
  }

  function call(session: ClientHttp2Session, method: string, type = "application/json") {
    const path = `/gotaskq.v1.${method}`;
    const headers = { ":method": "POST", ":path": path, "content-type": type, authorization: `Bearer ${token}` };
    return session.request(headers).on("error", () => {});
  }

  return [
    {
      name: "slow headers",
      pauseMs: 300,
      act: () =>
        onSockets(20, async (sockets) => {
          for (const part of ["POST /gotaskq.v1.JobSer", "vice/CreateJob HTTP/1.1\r\nho", "st: local"]) {
            for (const socket of sockets) socket.write(part);
            await pause(300);
          }
          await hold();
        }),
    },
    {
      name: "slow bodies",
      pauseMs: 300,
      act: () =>
        onSockets(20, async (sockets) => {
          for (const socket of sockets) socket.write(head("JobService/CreateJob", 10_000));
          for (let bytes = 0; bytes < 10; bytes++) {
            for (const socket of sockets) socket.write("x");
            await pause(200);
          }
        }),
    },
    {
      name: "calls over HTTP/2 whose bodies never come",
      pauseMs: 300,
      act: () =>
        onSession(async (session) => {
          for (let calls = 0; calls < 100; calls++) call(session, "JobService/CreateJob").write("{");
          await hold();
        }),
    },
    {
      name: "streams that are reset at once",
      pauseMs: 500,
      act: () =>
        onSession(async (session) => {
          for (let calls = 0; calls < 200; calls++) call(session, "JobService/WatchJobs").close();
          await pause(200);
        }),
    },
    {
      name: "floods of calls on one connection",
      pauseMs: 500,
      act: () =>
        onSession(async (session) => {
          const calls = Array.from({ length: 500 }, () => call(session, "QueueService/ListQueues"));
          const ended = calls.map((one) => new Promise((resolve) => one.resume().once("close", resolve)));
          for (const one of calls) one.end("{}");
          await Promise.race([Promise.all(ended), pause(10_000)]);
        }),
    },
    {
      name: "clients that never read",
      pauseMs: 300,
      act: () =>
        onSockets(5, async (sockets) => {
          const body = '{"pageSize":1000}';
          for (const socket of sockets) {
            socket.pause();
            for (let calls = 0; calls < 5; calls++) socket.write(head("JobService/ListJobs", body.length) + body);
          }
          await hold();
        }),
    },
    {
      name: "watchers that never read",
      pauseMs: 300,
      act: () =>
        onSockets(5, async (sockets) => {
          const body = "\0\0\0\0\x02{}";
          for (const socket of sockets) {
            socket.pause();
            socket.write(head("JobService/WatchJobs", body.length, "application/connect+json") + body);
          }
          await hold();
        }),
    },
    {
      name: "long polls that are cut",
      pauseMs: 300,
      act: () =>
        onSockets(10, async (sockets) => {
          const body = '{"worker":"cut","queues":["remote"],"types":["outside"],"wait":"20s"}';
          for (const socket of sockets) socket.write(head("WorkerService/LeaseJobs", body.length) + body);
          await pause(random.between(0, 500));
        }),
    },
    {
      name: "bytes of no protocol",
      pauseMs: 200,
      act: () =>
        onSockets(5, async (sockets) => {
          for (const socket of sockets) socket.write(Buffer.from(`${random.next()}\r\n\r\n\0\0\xff`, "latin1"));
          await pause(200);
        }),
    },
    {
      name: "connections that say nothing",
      pauseMs: 500,
      act: () => onSockets(20, hold),
    },
  ];
}
