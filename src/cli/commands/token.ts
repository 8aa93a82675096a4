import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { hashToken, isToken, newToken, TOKEN_LENGTHS } from "../../access/hash-token.js";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { addExamples, addFormatOptions } from "../options/format.js";

export function configureToken(command: Command, context: Context): void {
  const fresh = command.command("new").description("make a token of 256 random bits, and its hash");
  addFormatOptions(fresh);
  addExamples(fresh, [["gotaskq token new", "the token for the client, the hash for AUTH_TOKENS or its file"]]);
  fresh.action((options: FormatOptions) => print(context, options, newToken(), true));

  const hash = command.command("hash").description("tell the hash of a token");
  hash.argument("[token]", "default: the first line of stdin, where others of this machine do not see it");
  addFormatOptions(hash);
  addExamples(hash, [["gotaskq token hash < token.txt", "the hash for AUTH_TOKENS or its file"]]);
  hash.action(async (given: string | undefined, options: FormatOptions) => {
    const token = given ?? (await readLine(context));
    const { min, max } = TOKEN_LENGTHS;
    if (token.length < min || token.length > max || !isToken(token)) {
      throw new UsageError(`a token has ${min} to ${max} letters, digits or ._~+/-`);
    }
    await print(context, options, token, false);
  });
}

async function print(context: Context, options: FormatOptions, token: string, isNew: boolean): Promise<void> {
  const sha256 = hashToken(token);
  if (!context.isForPeople(options)) return context.printRecord(isNew ? { token, sha256 } : { sha256 });
  await context.print(isNew ? `token   ${token}\nsha256  ${sha256}\n` : `${sha256}\n`);
}

async function readLine({ io, tell }: Context): Promise<string> {
  if (io.stdin.isTTY === true) tell("the token, then Ctrl-D:");
  return (await text(io.stdin)).split("\n")[0]?.trim() ?? "";
}
