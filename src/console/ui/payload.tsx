import { useMemo, useState } from "preact/hooks";
import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import { bytes, count } from "../lib/format.js";
import { pretty } from "../lib/json.js";
import { attempt } from "../lib/notices.js";
import { TextBlock } from "./text-block.js";

/**
 * Characters of a text that are shown at first: a browser renders a few hundred lines quickly, but megabytes slowly.
 */
const SHOWN_CHARACTERS = 20_000;

/** Most bytes that are shown in hexadecimal. */
const SHOWN_BYTES = 512;

/** Properties of `Payload`. */
export interface PayloadProps {
  /** What it is, for the names of buttons and files: `payload`. */
  readonly name: string;
  /** JSON as text, or bytes. */
  readonly kind: Job["payloadKind"] | Job["resultKind"];
  /** What is shown when there is none. */
  readonly none: string;
}

/** Shows the payload or result of a job, JSON or bytes, always as plain text. */
export function Payload({ name, kind, none }: PayloadProps) {
  const { value } = kind;
  if (value instanceof Uint8Array) return <Bytes name={name} value={value} />;
  return typeof value === "string" ? <Json name={name} json={value} /> : <p class="faint">{none}</p>;
}

function Json({ name, json }: { readonly name: string; readonly json: string }) {
  const text = useMemo(() => pretty(json), [json]);
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > SHOWN_CHARACTERS;
  return (
    <div class="payload">
      <TextBlock label={name} text={isCut ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text} />
      <div class="actions">
        {isCut && (
          <button type="button" onClick={() => setWhole(true)}>
            Show all {count(text.length)} characters
          </button>
        )}
        <button
          type="button"
          aria-label={`Copy the ${name}`}
          onClick={() => attempt(`The ${name} is copied.`, () => copy(text))}
        >
          Copy
        </button>
        {text.length > SHOWN_CHARACTERS && <Download name={`${name}.json`} content={text} />}
      </div>
    </div>
  );
}

/** Puts a text on the clipboard; browsers forbid it to pages that came without TLS from another machine. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new Error("The browser does not let this page copy. Select the text and copy it by hand.");
  }
}

function Bytes({ name, value }: { readonly name: string; readonly value: Uint8Array }) {
  const lines = useMemo(() => hex(value.subarray(0, SHOWN_BYTES)), [value]);
  return (
    <div class="payload">
      <p class="hint">
        {bytes(value.length)}
        {value.length > SHOWN_BYTES && `, the first ${SHOWN_BYTES} of them shown`}
      </p>
      <TextBlock label={name} text={lines} />
      <div class="actions">
        <Download name={`${name}.bin`} content={value as Uint8Array<ArrayBuffer>} />
      </div>
    </div>
  );
}

function hex(value: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < value.length; at += 16) {
    const row = [...value.subarray(at, at + 16)];
    const numbers = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${numbers.padEnd(48)} ${letters}`);
  }
  return lines.join("\n");
}

function Download({ name, content }: { readonly name: string; readonly content: string | Uint8Array<ArrayBuffer> }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return (
    <button type="button" onClick={save}>
      Download
    </button>
  );
}
