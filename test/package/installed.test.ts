import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { LISTENS } from "../support/listens.js";
import { blocks, ROOT } from "../support/readme.js";
import { startTestServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { install, newFolder, pack, run } from "./support.js";

const folder = newFolder();
/** Everything installed. */
const whole = join(folder, "whole");
/** Without the optional packages, as for a program that only calls a server or keeps jobs in memory. */
const small = join(folder, "small");

let tarball: string;

beforeAll(() => {
  tarball = pack(folder);
  for (const [place, ...args] of [[whole], [small, "--omit=optional"]] as [string, ...string[]][]) {
    mkdirSync(place);
    install(place, tarball, ...args);
  }
}, 180_000);

/** Writes a program into a project. Returns its name. */
function write(place: string, name: string, code: string): string {
  writeFileSync(join(place, name), code);
  return name;
}

test("are the types wrong says that they are not", () => {
  const said = run(
    ROOT,
    process.execPath,
    "node_modules/@arethetypeswrong/cli/dist/index.js",
    tarball,
    "--profile",
    "esm-only",
    "--no-color",
    "--no-emoji",
  );
  expect(said).toContain("gotaskq/client");
});

test.each(["node16", "nodenext", "bundler"])("its types serve programs that resolve modules as %s", (resolution) => {
  const [library = ""] = blocks("src/client/README.md", "As a library", "ts");
  const [client = ""] = blocks("src/client/README.md", "The client", "ts");
  for (const place of [whole, small]) {
    write(place, "library.ts", library.replaceAll("job.payload", "Number(job.payload)"));
    write(place, "client.ts", client.replaceAll(/^for await.*$/gm, ""));
    write(
      place,
      "server.ts",
      'import { startServer } from "gotaskq/server";\nawait startServer({ env: { PORT: "0" } });\n',
    );
    const compilerOptions = {
      ...{ target: "es2022", strict: true, noEmit: true, skipLibCheck: false },
      ...{ module: resolution === "bundler" ? "preserve" : resolution, moduleResolution: resolution },
      ...{ types: ["node"], typeRoots: [`${ROOT}node_modules/@types`] },
    };
    write(
      place,
      "tsconfig.json",
      JSON.stringify({ compilerOptions, include: ["library.ts", "client.ts", "server.ts"] }),
    );
    run(place, process.execPath, `${ROOT}node_modules/typescript/bin/tsc`);
  }
});

test("its types serve pages, which have neither those of Node nor those of disposables", () => {
  write(
    small,
    "page.ts",
    `import { createClient } from "gotaskq/client";
     const client = createClient<{ double: { payload: number; result: number } }>(location.origin);
     document.title = String((await client.createAndWait({ type: "double", payload: 21 })).result);
     client.close();`,
  );
  const compilerOptions = {
    ...{ target: "es2022", lib: ["es2022", "dom", "dom.iterable"], strict: true, noEmit: true, skipLibCheck: false },
    ...{ module: "preserve", moduleResolution: "bundler", customConditions: ["browser"], types: [] },
  };
  write(small, "tsconfig.json", JSON.stringify({ compilerOptions, include: ["page.ts"] }));
  run(small, process.execPath, `${ROOT}node_modules/typescript/bin/tsc`);
});

describe("without the optional packages", () => {
  test("Redis, logs of servers and loaders of TypeScript are not there", () => {
    for (const name of ["ioredis", "pino", "tsx", "piscina", "prom-client", "libsql", "msgpackr"]) {
      expect(existsSync(join(small, "node_modules", name)), name).toBe(false);
      expect(existsSync(join(whole, "node_modules", name)), name).toBe(true);
    }
  });

  test("the library, the client and the worker run", async () => {
    const [library = ""] = blocks("src/client/README.md", "As a library", "ts");
    expect(run(small, process.execPath, write(small, "library.mjs", library)).trim()).toBe("DONE 42");
    const server = await startTestServer({ NUM_WORKERS: "0" });
    const program = `
      import { createClient, createWorker } from "gotaskq/client";
      const worker = createWorker({ url: "${server.url}", handlers: { double: (job) => job.payload * 2 } });
      await worker.start();
      const client = createClient("${server.url}");
      console.log((await client.createAndWait({ type: "double", payload: 21 })).result);
      client.close();
      await worker.stop();`;
    // The server is in this process.
    const child = spawn(process.execPath, [write(small, "worker.mjs", program)], { cwd: small, stdio: "pipe" });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += String(text)));
    const [code] = await within(once(child, "close"), "the end of the program", 30_000);
    expect([code, said.trim()]).toEqual([0, "42"]);
  });

  test("what needs one says which", () => {
    const program = `
      import { createTaskQueue } from "gotaskq";
      try { createTaskQueue({ redisUrl: "redis://127.0.0.1:1" }); } catch (error) { console.log(error.message); }
      import("gotaskq/server").catch((error) => console.log(error.message));`;
    const said = run(small, process.execPath, write(small, "missing.mjs", program));
    expect(said).toContain("jobs in Redis need the package ioredis, which is not installed");
    expect(said).toMatch(/Cannot find package '(pino|prom-client)'/);
    const main = spawnSync(process.execPath, [join(small, "node_modules/gotaskq/.build/src/main.js")], {
      encoding: "utf8",
    });
    expect(main.stderr).toMatch(/^a server needs the package (pino|prom-client), which is not installed/);
    expect(main.status).toBe(2);
  });
});

describe("the command line", () => {
  const gotaskq = (place: string) => join(place, "node_modules/.bin/gotaskq");

  test("serves, and does the rest without the optional packages", async () => {
    const server = spawn(gotaskq(whole), ["serve", "--port", "0", "--log-format", "json"], {
      cwd: whole,
      stdio: "pipe",
    });
    const ended = once(server, "close");
    let said = "";
    const url = await within(
      new Promise<string>((resolve) => {
        server.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text;
          const found = LISTENS.exec(said)?.[1];
          if (found !== undefined) resolve(found);
        });
      }),
      "a server that listens",
      30_000,
    );
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { version: string };
    expect(run(small, gotaskq(small), "--version").trim()).toBe(version);
    const job = run(small, gotaskq(small), "enqueue", "echo", '{"n":1}', "--wait", "--url", url);
    expect(JSON.parse(job)).toMatchObject({ type: "echo", status: "DONE", result: { n: 1 } });
    server.kill("SIGTERM");
    expect((await within(ended, "the end of the server", 20_000))[0]).toBe(0);
  });

  test.each([
    ["a server", "serve"],
    ["gotaskq work", "work", "./handlers.mjs"],
  ])("says which package %s needs", (who, ...args) => {
    const { status, stderr } = spawnSync(gotaskq(small), args, { cwd: small, encoding: "utf8" });
    expect(stderr).toMatch(new RegExp(`${who} needs the package (pino|prom-client), which is not installed`));
    expect(status).toBe(1);
  });
});
