import { ConnectError } from "@connectrpc/connect";
import type { Status } from "../../../gen/google/rpc/status_pb.js";
import type { TaskQueueError } from "../../model/common/errors.js";
import { toTaskQueueError } from "../convert/errors.js";

/** The error of one item of a call, as a call for that item alone would have thrown it. */
export function toResultError({ code, message, details }: Status): TaskQueueError {
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  return toTaskQueueError(error);
}
