import type { Command } from "commander";
import { errorText } from "../../model/common/describe-error.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { type Finding, findings } from "../check/findings.js";
import type { Context, FormatOptions } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { exitCodeOfError, hintsOf } from "../hints.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { inLine, type Look } from "../output/style.js";

const LOOKS: Readonly<Record<Finding["level"], Look>> = { ok: "green", warn: "yellow", fail: "red", skip: "dim" };

export function configureCheck(command: Command, context: Context): void {
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    [
      "gotaskq check --url https://jobs.example.com --token-file ./token",
      "what answers there, and what the token may do",
    ],
    ["gotaskq check --json | jq -r 'select(.level != \"ok\")'", "only what is not well"],
  ]);
  command.action(async (options: FormatOptions) => {
    const isForPeople = context.isForPeople(options);
    const connection = context.connection(command);
    // The answer is to be of now.
    const client = await context.connect(command, { retryMs: 0 });
    try {
      for await (const finding of findings(client, connection)) {
        const { what, level, text } = finding;
        if (level === "fail") context.exitCode = EXIT.failure;
        if (!isForPeople) await context.printRecord({ ...finding });
        else
          await context.print(`${context.style(LOOKS[level], level.padEnd(4))}  ${what.padEnd(11)}  ${inLine(text)}\n`);
      }
    } catch (error) {
      // Nothing more can be found out.
      if (!(error instanceof TaskQueueError)) throw error;
      const text = errorText(error);
      if (!isForPeople) await context.printRecord({ what: "connection", level: "fail", text, reason: error.reason });
      else await context.print(`${context.style("red", "fail")}  ${"connection".padEnd(11)}  ${inLine(text)}\n`);
      for (const hint of hintsOf(error, connection.urls)) context.tell(`gotaskq: ${hint}`);
      context.exitCode = exitCodeOfError(error);
    }
  });
}
