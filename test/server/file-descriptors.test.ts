import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { startServerProcess } from "../support/server-process.js";
import { eventually } from "../support/wait.js";
import { http1, open } from "../support/wire.js";

/** How many connections there are file descriptors for. */
const FREE = 20;

test("a server without file descriptors goes on, and accepts again when there are some", async () => {
  const server = await startServerProcess();
  const pid = String(server.child.pid);
  const files = readdirSync(`/proc/${pid}/fd`).length + FREE;
  execFileSync("prlimit", ["--pid", pid, `--nofile=${files}:${files}`]);
  const port = Number(new URL(server.url).port);
  const sockets = await Promise.all(Array.from({ length: 5 * FREE }, () => open(port)));
  const ask = () => http1(server.url, { method: "GET", path: "/livez" }).catch(() => undefined);
  const full = ask();
  for (const socket of sockets) socket.destroy();
  await full;
  const alive = await eventually(ask, "an answer once there are file descriptors again");
  expect([alive.status, server.child.exitCode]).toEqual([200, null]);
  expect(server.output()).not.toContain("nobody caught it");
});
