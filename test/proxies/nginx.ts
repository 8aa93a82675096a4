import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, within } from "../support/wait.js";

/** Everything that nginx writes, by the directive that says where. */
const FOLDERS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** A running nginx. */
export interface Nginx {
  end(): Promise<void>;
}

/** Runs an nginx with these `server` blocks, all in a folder of its own, until it is told to end. */
export async function startNginx(servers: string, ports: readonly number[]): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "gotaskq-nginx-"));
  await mkdir(join(folder, "logs"));
  const lines = [
    process.getuid?.() === 0 ? "user root;" : "",
    "worker_processes 1; daemon off;",
    `pid ${folder}/pid; error_log ${folder}/error.log;`,
    "events { worker_connections 256; }",
    "http {",
    "access_log off;",
    ...FOLDERS.map((name) => `${name}_temp_path ${folder}/${name};`),
    servers,
    "}",
  ];
  const file = join(folder, "nginx.conf");
  await writeFile(file, lines.join("\n"));
  const child = spawn("nginx", ["-p", folder, "-e", `${folder}/error.log`, "-c", file], { stdio: "ignore" });
  const exited = once(child, "exit");
  const log = () => readFile(join(folder, "error.log"), "utf8").catch(() => "");
  const failed = exited.then(async ([code]) => {
    throw new Error(`nginx ended with ${code}: ${await log()}`);
  });
  failed.catch(() => {});
  for (const port of ports) await Promise.race([failed, listening(port)]);
  return {
    async end() {
      child.kill("SIGTERM");
      await within(exited, "the end of nginx");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves once a connection to this port is taken. */
function listening(port: number): Promise<true> {
  const tryOnce = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => resolve(undefined));
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
    });
  return eventually(tryOnce, `nginx at port ${port}`);
}
