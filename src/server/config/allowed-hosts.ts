import { hostNameOf } from "../http/host-name.js";
import type { EnvReader } from "./env-reader.js";

/** Reads ALLOWED_HOSTS: names by which the server may be called beside its own, in lower case. */
export function readAllowedHosts(env: EnvReader): readonly string[] {
  return env.read<readonly string[]>(
    "ALLOWED_HOSTS",
    [],
    (text) => {
      const names = text.split(",").map((each) => each.trim().toLowerCase());
      return names.every(isPattern) ? names : undefined;
    },
    "host names parted by commas, without scheme and port, like jobs.example.com, *.example.com, or only *",
  );
}

function isPattern(name: string): boolean {
  const plain = name.replace(/^\*\./, "");
  return name === "*" || (!plain.includes("*") && hostNameOf(plain) === plain);
}
