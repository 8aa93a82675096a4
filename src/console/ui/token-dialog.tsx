import { useState } from "preact/hooks";
import { isTokenWanted, setToken, token } from "../lib/api.js";
import { Dialog } from "./dialog.js";
import { Field } from "./field.js";

/** Asks for the token that the server demands, which is kept until the tab is closed. */
export function TokenDialog() {
  const [text, setText] = useState("");
  const problem = token.value === undefined ? undefined : "The server did not accept the token of this tab.";
  return (
    <Dialog
      title="The server asks for a token"
      onClose={() => {
        isTokenWanted.value = false;
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") setToken(text.trim());
        }}
      >
        <Field label="Token" problem={problem} hint="Kept in this tab only, until it is closed.">
          <input
            type="password"
            autocomplete="off"
            value={text}
            onInput={(event: Event) => setText((event.currentTarget as HTMLInputElement).value)}
          />
        </Field>
        <div class="actions end">
          <button type="submit" class="primary">
            Use this token
          </button>
        </div>
      </form>
    </Dialog>
  );
}
