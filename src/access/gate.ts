import type { Clock } from "../core/clock.js";
import { scopeMissing, TaskQueueError, tokenInvalid } from "../model/common/errors.js";
import type { Logger } from "../model/log/logger.js";
import { type Authorizer, type AuthorizerRequest, type CallSource, toAuthorizerRequest } from "./authorizer.js";
import { Admitted, type Caller, STRANGER } from "./caller.js";
import { FailedAttempts } from "./failed-attempts.js";
import { hashToken, TOKEN_LENGTHS } from "./hash-token.js";
import type { Need } from "./rights.js";
import { checkCaller, isSameRight, type TokenRecord } from "./token-record.js";

/** Most headers whose callers are known without hashing: a token may come in more than one spelling. */
const MAX_KNOWN = 10_000;

/** Most credentials that an authorizer let in, which are remembered; the one let in longest ago is forgotten first. */
const MAX_WELCOME = 10_000;

/**
 * How long an authorizer may take, ms, and how many answers of it may be awaited at the same time: in all, and while it has not let in
 * the credentials before, so that strangers do not keep it from being asked for those whom it knows.
 */
const AUTHORIZER_MS = 10_000;
const MAX_ASKED = 1000;
const MAX_ASKED_FOR_STRANGERS = MAX_ASKED / 2;

/** Why calls are refused, as counted. */
export type AuthFailure = "no_token" | "token_unknown" | "token_ended" | "scope" | "queue" | "limited" | "authorizer";

/** All reasons. */
export const AUTH_FAILURES: readonly AuthFailure[] = [
  "no_token",
  "token_unknown",
  "token_ended",
  "scope",
  "queue",
  "limited",
  "authorizer",
];

/** Dependencies of a gate. */
export interface GateDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called for each call that is refused. */
  readonly refused: (why: AuthFailure) => void;
}

/** Settings of a gate. */
export interface GateOptions {
  readonly tokens: readonly TokenRecord[];
  readonly authorizer?: Authorizer | undefined;
  /** Whether reflection needs a token. Default: no. */
  readonly isReflectionClosed?: boolean | undefined;
  /** Processes behind one port, each with a gate: they share out what an address may fail. Default 1. */
  readonly processes?: number | undefined;
}

/**
 * Decides who may call. Tokens are kept as SHA-256 only and are found by their digests: whoever guesses does not choose the digest,
 * so how long a look takes says nothing of the tokens. A token that was found is remembered as it came, so that the next call with
 * it is not hashed again.
 */
export class Gate {
  readonly #deps: GateDeps;
  readonly #options: GateOptions;
  readonly #attempts: FailedAttempts;
  #records: ReadonlyMap<string, TokenRecord> = new Map();
  /** Those who called, by the digest of their token. */
  readonly #admitted = new Map<string, Admitted>();
  /** The same by the header that they sent. */
  readonly #known = new Map<string, Admitted>();
  /** Digests of the credentials that the authorizer let in last. */
  readonly #welcome = new Set<string>();
  #asked = 0;

  constructor(deps: GateDeps, options: GateOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#attempts = new FailedAttempts(deps.clock, options.processes);
    this.replace(options.tokens);
  }

  /** Replaces all tokens. Calls under way of those that are gone or changed end. */
  replace(tokens: readonly TokenRecord[]): void {
    const before = this.#records;
    this.#records = new Map(tokens.map((record) => [record.sha256, record]));
    this.#known.clear();
    for (const [digest, admitted] of [...this.#admitted]) {
      const [old, now] = [before.get(digest), this.#records.get(digest)];
      if (old !== undefined && now !== undefined && isSameRight(old, now)) continue;
      this.#admitted.delete(digest);
      admitted.end();
    }
  }

  /**
   * Lets a call in, or refuses it: TOKEN_INVALID, SCOPE_MISSING, and where an authorizer is asked TOO_MANY_ATTEMPTS and
   * AUTHORIZER_UNAVAILABLE. `need` undefined: nobody may. Throws, or rejects, with the error.
   */
  admit(need: Need | undefined, method: string, source: CallSource): Admitted | Promise<Admitted> {
    if (need === "open" || (need === "reflection" && this.#options.isReflectionClosed !== true)) return STRANGER;
    const { authorization } = source.headers;
    const known = authorization === undefined ? undefined : this.#known.get(authorization);
    if (known !== undefined && !known.hasEnded) return this.#check(known, need);
    const found = this.#find(authorization);
    if (found instanceof Admitted) return this.#check(found, need);
    const { authorizer } = this.#options;
    if (authorizer !== undefined && found !== "token_ended") {
      return this.#ask(authorizer, method, source).then((admitted) => this.#check(admitted, need));
    }
    throw this.#refuse(found, source);
  }

  /** Refuses a call of somebody who is known, for a queue that is not among its own. */
  foreignQueue(caller: Admitted, need: Need, queue: string): TaskQueueError {
    this.#deps.refused("queue");
    return scopeMissing(need, caller.name, queue);
  }

  #check(caller: Admitted, need: Need | undefined): Admitted {
    if (need === "token" || need === "reflection") return caller;
    if (need !== undefined && need !== "open" && caller.may(need)) return caller;
    this.#deps.refused("scope");
    throw scopeMissing(need ?? "none", caller.name);
  }

  /** Who has this token, or why it is refused. */
  #find(authorization: string | undefined): Admitted | "no_token" | "token_unknown" | "token_ended" {
    const token = /^Bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
    if (authorization === undefined || token === undefined) return "no_token";
    if (token.length > TOKEN_LENGTHS.max) return "token_unknown";
    const digest = hashToken(token);
    const record = this.#records.get(digest);
    if (record === undefined) return "token_unknown";
    let admitted = this.#admitted.get(digest);
    if (admitted === undefined) {
      admitted = new Admitted(record, this.#deps.clock);
      this.#admitted.set(digest, admitted);
    }
    if (admitted.hasEnded) return "token_ended";
    // As all but a few send it: with any number of blanks in it, each header would be kept as another one.
    if (authorization.length === "Bearer ".length + token.length) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(authorization, admitted);
    }
    return admitted;
  }

  /**
   * Refuses somebody who is not known. A good token is found whatever its address did before: behind a proxy all clients have one.
   * So the limit slows down those who fail: they are told to wait, and the log names them once.
   */
  #refuse(why: "no_token" | "token_unknown" | "token_ended", { socket }: CallSource): TaskQueueError {
    this.#deps.refused(why);
    if (why === "no_token") return tokenInvalid("this server asks for a token: send `authorization: Bearer <token>`");
    const address = socket?.remoteAddress;
    this.#failed(address);
    const waitMs = this.#attempts.waitMs(address) || undefined;
    return tokenInvalid(why === "token_ended" ? "this token has ended" : "this is no token of this server", waitMs);
  }

  #failed(address: string | undefined): void {
    if (!this.#attempts.failed(address)) return;
    this.#deps.logger.warn({ remote: address }, "many calls of this address have no valid token");
  }

  /**
   * Asks the authorizer, unless too many calls of this address failed: it may be costly. For credentials that it let in before it is
   * asked all the same: behind a proxy, who fails has the address of all others.
   */
  async #ask(authorizer: Authorizer, method: string, source: CallSource): Promise<Admitted> {
    const { clock, logger, refused } = this.#deps;
    const address = source.socket?.remoteAddress;
    const request = toAuthorizerRequest(method, source);
    const credentials = credentialsOf(request);
    const isWelcome = credentials !== undefined && this.#welcome.has(credentials);
    const waitMs = isWelcome ? 0 : this.#attempts.waitMs(address);
    if (waitMs > 0 || this.#asked >= (isWelcome ? MAX_ASKED : MAX_ASKED_FOR_STRANGERS)) {
      refused("limited");
      const message = waitMs > 0 ? "too many calls of this address were refused" : "too many calls wait to be let in";
      throw new TaskQueueError("TOO_MANY_ATTEMPTS", message, { retryAfterMs: waitMs || 1000 });
    }
    let caller: Caller | undefined;
    this.#asked++;
    try {
      caller = checked(await inTime(clock, async () => authorizer(request)));
    } catch (error) {
      refused("authorizer");
      logger.error({ err: error, method }, "the authorizer failed; the call is refused");
      throw new TaskQueueError("AUTHORIZER_UNAVAILABLE", "who calls could not be found out", { retryAfterMs: 1000 });
    } finally {
      this.#asked--;
    }
    const admitted = caller && new Admitted(caller, clock);
    if (credentials !== undefined) this.#welcome.delete(credentials);
    if (admitted === undefined || admitted.hasEnded) {
      refused(admitted === undefined ? "token_unknown" : "token_ended");
      this.#failed(address);
      throw tokenInvalid("this server does not know who calls, or does not let it in");
    }
    if (credentials !== undefined) this.#welcome.add(credentials);
    for (const oldest of this.#welcome) {
      if (this.#welcome.size <= MAX_WELCOME) break;
      this.#welcome.delete(oldest);
    }
    return admitted;
  }
}

/** A digest of how a caller says who it is: by its `authorization`, its certificate, or both. Undefined: in another way, or not at all. */
function credentialsOf({ headers: { authorization }, certificate }: AuthorizerRequest): string | undefined {
  if (authorization === undefined && certificate === undefined) return undefined;
  return hashToken(`${certificate?.fingerprint256 ?? ""} ${authorization ?? ""}`);
}

/** What an authorizer answered, when that is a caller or nobody. */
function checked(answer: Caller | undefined): Caller | undefined {
  if (answer === undefined || answer === null) return undefined;
  const problems: string[] = [];
  const endsAt = typeof answer.endsAt === "number" ? new Date(answer.endsAt) : answer.endsAt;
  const caller = checkCaller({ ...answer, endsAt }, problems, "endsAt");
  if (caller === undefined) throw new TypeError(`the authorizer answered with no valid caller: ${problems.join("; ")}`);
  return caller;
}

function inTime<T>(clock: Clock, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(AUTHORIZER_MS, () => reject(new Error(`no answer within ${AUTHORIZER_MS} ms`)));
    run()
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
