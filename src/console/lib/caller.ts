import { effect, signal } from "@preact/signals";
import { type Caller, Scope } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api, token } from "./api.js";

/** Who calls with the token of this tab, as the server says; null: the server asks nobody. Undefined: not known. */
export const caller = signal<Caller | null | undefined>(undefined);

/** Asks the server who calls. */
export async function readCaller(): Promise<void> {
  const asked = token.peek();
  try {
    const info = await api.server.getServerInfo({});
    if (token.peek() === asked) caller.value = info.caller ?? null;
  } catch {
    // Whoever cannot be asked is asked again when the token changes, or a stream was refused.
  }
}

effect(() => {
  caller.value = token.value === undefined ? null : undefined;
  void readCaller();
});

/** Whether the caller may do what needs this scope: then the page offers it. The server decides in any case. */
export function may(scope: Scope): boolean {
  if (caller.value === null) return true;
  return caller.value?.scopes.some((each) => each === scope || each === Scope.ADMIN) ?? false;
}
