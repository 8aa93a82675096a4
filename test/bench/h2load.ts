import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { install } from "../support/install-package.js";
import { check } from "./figures.js";

/** A load of equal requests. */
export interface Load {
  readonly url: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly isHttp2: boolean;
  readonly requests: number;
  /** Default 64 callers: as many connections over HTTP/1.1, or 4 over HTTP/2. */
  readonly callers?: number;
  /** The token that each request sends. Default: none. */
  readonly token?: string;
}

const run = promisify(execFile);

/** Installs h2load if it is missing. */
export function installH2load(): void {
  install({ command: "h2load", packageName: "nghttp2-client" });
}

/** Sends a load and returns requests per second. Fails unless every request is answered with 200. */
export async function h2load({
  url,
  contentType,
  body,
  isHttp2,
  requests,
  callers = 64,
  token,
}: Load): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-bench-"));
  try {
    const file = join(folder, "body");
    writeFileSync(file, body);
    const clients = isHttp2 ? 4 : callers;
    const args = [
      "-n",
      String(requests),
      "-c",
      String(clients),
      "-m",
      String(callers / clients),
      "-t",
      "1",
      "-d",
      file,
    ];
    if (!isHttp2) args.push("--h1");
    if (token !== undefined) args.push("-H", `authorization: Bearer ${token}`);
    args.push("-H", `content-type: ${contentType}`, "-H", "te: trailers", url);
    const { stdout } = await run("h2load", args);
    const done = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
    check(done === requests, `${done} of ${requests} requests were answered with 200:\n${stdout}`);
    return Number(/finished in [^,]+, ([\d.]+) req\/s/.exec(stdout)?.[1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
