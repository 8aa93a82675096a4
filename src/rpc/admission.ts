import type { CallSource } from "../access/authorizer.js";
import { type Admitted, ANYBODY } from "../access/caller.js";
import type { Gate } from "../access/gate.js";
import { RIGHTS } from "../access/rights.js";
import { TaskQueueError } from "../model/common/errors.js";
import type { Logger } from "../model/log/logger.js";

/**
 * Finds out who calls the method at a path, as in `/gotaskq.v1.JobService/GetJob`. `go` is called once with who it is, or with why the
 * call is refused; at once, unless an authorizer has to be asked.
 */
export type Admission = (path: string, source: CallSource, go: (caller: Admitted | TaskQueueError) => void) => void;

/** Lets calls in by a gate; undefined: everybody may call everything. */
export function createAdmission(gate: Gate | undefined, logger: Logger): Admission {
  function callerUnknown(error: unknown): TaskQueueError {
    logger.error({ err: error }, "who calls could not be found out; the call is refused");
    return new TaskQueueError("AUTHORIZER_UNAVAILABLE", "who calls could not be found out", { retryAfterMs: 1000 });
  }

  return (path, source, go) => {
    if (gate === undefined) {
      go(ANYBODY);
      return;
    }
    const refused = (error: unknown) => go(error instanceof TaskQueueError ? error : callerUnknown(error));
    const name = path.slice(1);
    let caller: Admitted | Promise<Admitted>;
    try {
      caller = gate.admit(RIGHTS.get(name)?.need, name, source);
    } catch (error) {
      refused(error);
      return;
    }
    if (caller instanceof Promise) caller.then(go, refused);
    else go(caller);
  };
}
