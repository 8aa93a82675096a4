import { useState } from "preact/hooks";
import { Scope } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { forgetToken, isTokenShown, isTokenWanted, setToken, token } from "../lib/api.js";
import { caller } from "../lib/caller.js";
import { Dialog } from "./dialog.js";
import { Field } from "./field.js";

/** Says whose token this tab has, and opens the dialog about it. Nothing without a token. */
export function TokenState() {
  if (token.value === undefined) return null;
  return (
    <button
      type="button"
      class="plain"
      aria-label="Your token"
      onClick={() => {
        isTokenShown.value = true;
      }}
    >
      {caller.value?.name ?? "Token"}
    </button>
  );
}

/** Asks for the token that the server demands, which is kept until the tab is closed; or tells of it, to change or forget it. */
export function TokenDialog() {
  const [text, setText] = useState("");
  const [isOdd, setOdd] = useState(false);
  const isOwn = !isTokenWanted.value;
  const refused = token.value === undefined || isOwn ? undefined : "The server did not accept the token of this tab.";
  const problem = isOdd ? "A token has no spaces and no letters beyond ASCII." : refused;
  return (
    <Dialog
      title={isOwn ? "Your token" : "The server asks for a token"}
      onClose={() => {
        isTokenWanted.value = false;
        isTokenShown.value = false;
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = text.trim();
          setOdd(!/^[\x21-\x7e]*$/.test(given));
          if (/^[\x21-\x7e]+$/.test(given)) setToken(given);
        }}
      >
        {isOwn && <Rights />}
        <Field
          label={isOwn ? "Another token" : "Token"}
          problem={problem}
          hint="Kept in this tab only, until it is closed."
        >
          <input
            type="password"
            autocomplete="off"
            value={text}
            onInput={(event: Event) => setText((event.currentTarget as HTMLInputElement).value)}
          />
        </Field>
        <div class="actions end">
          {isOwn && (
            <button type="button" onClick={forgetToken}>
              Sign out
            </button>
          )}
          <button type="submit" class="primary">
            Use this token
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What the token of this tab may do. */
function Rights() {
  if (!caller.value) return null;
  const { name, scopes, queues } = caller.value;
  const words = scopes.map((scope) => (Scope[scope] ?? "").toLowerCase());
  return (
    <p>
      <strong>{name}</strong> may {words.join(", ")} in {queues.length === 0 ? "every queue" : queues.join(", ")}.
    </p>
  );
}
