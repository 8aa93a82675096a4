import { toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import type { Status } from "../../gen/google/rpc/status_pb.js";
import type { TaskQueueError } from "../model/common/errors.js";
import { addRequestInfo, toConnectError } from "./errors.js";
import { CallContext } from "./fast/call-context.js";
import { CALL_ITEM_ERRORS, CALL_ORIGIN } from "./rpc-call.js";
import { spellingOf } from "./spelling.js";

/** What the types of details are named by in a google.protobuf.Any. */
const TYPE_PREFIX = "type.googleapis.com/";

/**
 * An error of one item of a call, as the message that tells it within an answer: with the code, text and details that a call about
 * this item alone ends with. It counts among the errors of the call.
 */
export function toStatus(error: TaskQueueError, context: HandlerContext | CallContext): Status {
  const isFast = context instanceof CallContext;
  if (isFast) {
    context.itemErrors ??= [];
    context.itemErrors.push(error);
  } else context.values.get(CALL_ITEM_ERRORS).push(error);
  const spelling = isFast ? context.spelling : spellingOf({ header: context.requestHeader, url: context.url });
  const told = toConnectError(error, spelling);
  addRequestInfo(told, isFast ? context.requestId : context.values.get(CALL_ORIGIN).requestId);
  const details: Any[] = [];
  for (const detail of told.details) {
    if (!("desc" in detail)) continue;
    const value = toBinary(detail.desc, detail.value as never);
    details.push({ $typeName: "google.protobuf.Any", typeUrl: TYPE_PREFIX + detail.desc.typeName, value });
  }
  return { $typeName: "google.rpc.Status", code: told.code, message: told.rawMessage, details };
}
