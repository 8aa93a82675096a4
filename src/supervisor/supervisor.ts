import type { Clock } from "../core/clock.js";
import type { Logger } from "../model/log/logger.js";
import { type ChildListener, type ChildProgram, type ChildSelf, SupervisedChild } from "./supervised-child.js";

/** Dependencies of a supervisor. */
export interface SupervisorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes what children write to their standard error. Default: to that of this process. */
  readonly writeError?: ((chunk: Buffer) => void) | undefined;
}

/** Child processes under this one. */
export interface Supervisor {
  readonly children: readonly SupervisedChild[];
  /** Starts one more child. */
  add(listener: ChildListener, self?: ChildSelf): SupervisedChild;
  /** Ends all of them, and kills after `graceMs` those that are left. Resolves when none is left. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Keeps child processes running that all run the same program. A child that ends is replaced, with a growing delay when that
 * happens again and again. No child outlives this process, however it ends.
 */
export function createSupervisor(program: ChildProgram, deps: SupervisorDeps): Supervisor {
  const children: SupervisedChild[] = [];
  const writeError = deps.writeError ?? ((chunk: Buffer) => void process.stderr.write(chunk));
  let stopped: Promise<void> | undefined;
  return {
    children,
    add(listener, self = {}) {
      if (stopped !== undefined) throw new Error("the supervisor is stopped");
      const child = new SupervisedChild(program, { ...deps, ...self, writeError, listener });
      children.push(child);
      return child;
    },
    stop(graceMs) {
      stopped ??= Promise.all(children.map((child) => child.stop(graceMs))).then(() => {});
      return stopped;
    },
  };
}
