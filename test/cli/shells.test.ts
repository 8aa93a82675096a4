import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SHELLS, type Shell } from "../../src/cli/completion/scripts.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { startTerminal, type Terminal } from "../support/terminal.js";

const MAIN = fileURLToPath(new URL("../../.build/src/cli/main.js", import.meta.url));

let server: TestServer;
let folder: string;

beforeAll(async () => {
  if (!existsSync(MAIN)) throw new Error("the command is not built: run `npm run build`, or the tests by npm");
  server = await startTestServer({ QUEUES: "mail-out,mail-in", NUM_WORKERS: "0" });
  const { schedules } = server;
  const job = { type: "echo" };
  await schedules.createSchedule({
    schedule: { name: "tick-tock", queue: "mail-out", spec: { case: "cron", value: "@daily" }, job },
  });
  folder = mkdtempSync(join(tmpdir(), "gotaskq-shells-"));
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "token file.txt"), "");
  writeFileSync(join(folder, "payload.json"), "1");
  // What is typed is completed by the command, and shown instead of run.
  const command = `#!/bin/bash
case "$1:$#" in complete:*|completion:2) exec '${process.execPath}' '${MAIN}' "$@" ;; esac
printf 'ran:'; printf ' [%s]' "$@"; echo
`;
  writeFileSync(join(folder, "bin/gotaskq"), command, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** How each is started without settings of who runs the tests, and how a completion is loaded as the help tells. */
const START: Readonly<Record<Shell, readonly [command: readonly string[], load: string]>> = {
  bash: [["bash", "--norc", "--noprofile"], "source <(gotaskq completion bash)"],
  zsh: [["zsh", "-f"], "autoload -Uz compinit && compinit -u; source <(gotaskq completion zsh)"],
  fish: [["fish", "--no-config"], "gotaskq completion fish | source"],
};

function start(shell: Shell): Terminal {
  return startTerminal(START[shell][0], {
    env: {
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      HOME: folder,
      ZDOTDIR: folder,
      XDG_CONFIG_HOME: folder,
      XDG_DATA_HOME: folder,
      GOTASKQ_URL: server.url,
      // A terminal that knows little, so that lines are drawn simply.
      TERM: "xterm",
      LC_ALL: "C.UTF-8",
    },
    rows: 50,
    columns: 200,
  });
}

describe.each(SHELLS)("in %s", (shell) => {
  let terminal: Terminal;

  /** Types a line, and resolves to what was run. */
  async function run(line: string): Promise<string> {
    const from = terminal.output().length;
    terminal.type(line);
    await terminal.shows(/ran:[^\r\n]*\r/, from);
    return /ran: ([^\r\n]*)\r/.exec(stripVTControlCharacters(terminal.output().slice(from)))?.[1] ?? "";
  }

  beforeAll(async () => {
    terminal = start(shell);
    terminal.type(`cd '${folder}'; ${START[shell][1]}\r`);
    await run("gotaskq ready\r");
  });
  afterAll(async () => {
    terminal.type("exit\r");
    await terminal.ended;
  });

  test.each([
    ["a command", "gotaskq sch\t", "[schedules]"],
    ["a command of a command", "gotaskq dlq su\t", "[dlq] [summary]"],
    ["a command after options with values", "gotaskq --url jobs dl\t rep\t", "[--url] [jobs] [dlq] [replay]"],
    ["an option", "gotaskq dlq list --error-c\trefused", "[dlq] [list] [--error-contains] [refused]"],
    [
      "an option that has a value in another command only",
      "gotaskq enqueue a --batch --wait-t\t1s",
      "[enqueue] [a] [--batch] [--wait-timeout] [1s]",
    ],
    ["a word that an option takes", "gotaskq jobs --status de\t", "[jobs] [--status] [dead]"],
    ["the last of several words", "gotaskq jobs --status DONE,CAN\t", "[jobs] [--status] [DONE,CANCELED]"],
    ["a command of a pipe", "gotaskq jobs | gotaskq sch\t", "[schedules]"],
    ["a command whose path is typed", "./bin/gotaskq sch\t", "[schedules]"],
    ["a command of the home folder", "~/bin/gotaskq sch\t", "[schedules]"],
    ["a word after =", "gotaskq jobs --status=DE\t", "[jobs] [--status=DEAD]"],
    ["a word that an argument takes", "gotaskq completion z\tnow", "[completion] [zsh] [now]"],
    ["a queue", "gotaskq queues pause mail-o\t", "[queues] [pause] [mail-out]"],
    ["the queue of an option", "gotaskq jobs -q mail-i\t --all", "[jobs] [-q] [mail-in] [--all]"],
    ["a queue after =", "gotaskq jobs --queue=mail-o\t", "[jobs] [--queue=mail-out]"],
    [
      "a schedule of a queue",
      "gotaskq schedules get -q mail-out ti\t",
      "[schedules] [get] [-q] [mail-out] [tick-tock]",
    ],
    ["a file", "gotaskq get --token-file tok\t", "[get] [--token-file] [token file.txt]"],
    ["a file after =", "gotaskq get --token-file=tok\t", "[get] [--token-file=token file.txt]"],
    ["a payload in a file", "gotaskq enqueue echo @pay\t", "[enqueue] [echo] [@payload.json]"],
  ])("%s is completed", async (_what, typed, ran) => {
    expect(await run(`${typed}\r`)).toBe(ran);
  });

  test("what begins in several ways is listed", async () => {
    const from = terminal.output().length;
    terminal.type("gotaskq queues pause mail-\t\t");
    await terminal.shows(/mail-out/, from);
    await terminal.shows(/mail-in/, from);
    // Takes the line away, in every one of them.
    terminal.type("\u0015");
  });

  test("nothing is said when no server answers", async () => {
    expect(await run("gotaskq queues pause --url http://127.0.0.1:1 ma\tx\r")).toBe(
      "[queues] [pause] [--url] [http://127.0.0.1:1] [max]",
    );
  });
});
