import type { ErrorCode } from "../model/common/errors.js";

/** What the exit code of the command says. The README and every `--help` tell them to scripts: they are never changed. */
export const EXIT = {
  ok: 0,
  /** Anything that has no code of its own. */
  failure: 1,
  /** The command line, or what it asks for, is not valid. */
  usage: 2,
  /** No such job, queue or schedule. */
  notFound: 3,
  /** No server answers in time, or it cannot reach its store. */
  unavailable: 4,
  /** No token, a wrong one, or one without the right. */
  access: 5,
  /** The state of a job, queue or schedule does not allow it. */
  conflict: 6,
  /** A limit is reached, such as that of a full queue. */
  exhausted: 7,
  /** The job that was waited for is DEAD. */
  dead: 10,
  /** The job that was waited for is CANCELED. */
  canceled: 11,
  /** The job that was waited for did not end in the time given. */
  notEnded: 12,
} as const;

/** The exit codes as a table for people. */
export const EXIT_CODES_HELP = `Exit codes:
   0  done                        5  access: no token, or not its right
   1  failed                      6  conflict: not possible in this state
   2  not valid                   7  exhausted: a limit is reached
   3  not found                  10  the job waited for is DEAD
   4  unavailable, or too late   11  it is CANCELED   12  it did not end in time`;

type Code = ErrorCode | "DEADLINE_EXCEEDED";

const OF_CODES: Readonly<Record<Code, number>> = {
  INVALID_ARGUMENT: EXIT.usage,
  NOT_FOUND: EXIT.notFound,
  ALREADY_EXISTS: EXIT.conflict,
  FAILED_PRECONDITION: EXIT.conflict,
  RESOURCE_EXHAUSTED: EXIT.exhausted,
  OUT_OF_RANGE: EXIT.failure,
  UNAUTHENTICATED: EXIT.access,
  PERMISSION_DENIED: EXIT.access,
  UNAVAILABLE: EXIT.unavailable,
  DEADLINE_EXCEEDED: EXIT.unavailable,
};

/** The exit code for a call that was refused with this code of gRPC. */
export function exitCodeOf(code: string): number {
  return OF_CODES[code as Code] ?? EXIT.failure;
}
