import type { HandlerContext } from "@connectrpc/connect";
import type { Admitted } from "../access/caller.js";
import { CallContext } from "./fast/call-context.js";
import { CALL_ORIGIN } from "./rpc-call.js";

/** Who makes a call, whichever path serves it. */
export function callerOf(context: HandlerContext | CallContext): Admitted {
  return context instanceof CallContext ? context.caller : context.values.get(CALL_ORIGIN).caller;
}
