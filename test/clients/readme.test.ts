import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, inject, test } from "vitest";
import { atEnd, clientOf, startServerAlone } from "../client/support.js";
import { within } from "../support/wait.js";
import { type Language, startProgram } from "./program.js";

const folder = fileURLToPath(new URL("./", import.meta.url));
const readme = readFileSync(new URL("../../proto/README.md", import.meta.url), "utf8");
// In a folder that git and the languages ignore, where the modules of the programs can be found.
const go = `${folder}go/bin/readme`;
const python = `${folder}python/gen/readme.py`;

afterAll(() => {
  rmSync(go, { recursive: true, force: true });
  rmSync(python, { force: true });
});

/** Returns the only block of code in this language, with its address replaced by that of a server. */
function block(language: string, url: string): string {
  const [, code = ""] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(readme) ?? [];
  return code.replace("127.0.0.1:8000", new URL(url).host);
}

const WRITERS: Readonly<Record<string, (url: string) => Language>> = {
  Go(url) {
    mkdirSync(go, { recursive: true });
    const program = `package main
      import (
        "context"
        "log"
        "net/http"
        "connectrpc.com/connect"
        gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
        "example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
      )
      func main() {
        ctx := context.Background()
        workers := gotaskqv1connect.NewWorkerServiceClient(http.DefaultClient, "${url}")
        ${block("go", url)}
        log.Fatal(err)
      }`;
    writeFileSync(`${go}/main.go`, program);
    return { name: "Go", command: ["go", "run", "-C", `${folder}go`, "./bin/readme"] };
  },
  Python(url) {
    const imports =
      "import queue\nimport threading\nimport grpc\nfrom gotaskq.v1 import worker_service_pb2 as pb, worker_service_pb2_grpc\n";
    writeFileSync(python, imports + block("python", url));
    return { name: "Python", command: [`${folder}python/.venv/bin/python`, python] };
  },
};

for (const [language, write] of Object.entries(WRITERS)) {
  const missing = inject("missing")[language] ?? "";
  if (missing !== "") {
    test.skip(`NOT TESTED: the README's worker in ${language}: ${missing}`);
    continue;
  }
  test(`the README has a worker in ${language} that runs`, async () => {
    const server = await startServerAlone();
    atEnd(() => server.end("SIGKILL"));
    startProgram(write(server.url), [], server.url);
    const client = clientOf(server.url);
    for (let at = 0; at < 3; at++) {
      const job = client.createAndWait({ type: "thumbnail" });
      expect(await within(job, "the run of a job", 40_000)).toMatchObject({ status: "DONE", worker: "my-worker" });
    }
  });
}
