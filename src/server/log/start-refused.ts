/** A server cannot start as it is configured. Each of `problems` begins with its variable; the message lists them. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";

  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}
