import type { ComponentChildren } from "preact";
import { Scope } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { may } from "../lib/caller.js";

/** Shows what only a token with the scope `admin` can do to those who can. */
export function ForAdmins({ children }: { readonly children: ComponentChildren }) {
  return may(Scope.ADMIN) && children;
}

/** Shows what only a token with the scope `produce` can do to those who can. */
export function ForProducers({ children }: { readonly children: ComponentChildren }) {
  return may(Scope.PRODUCE) && children;
}
