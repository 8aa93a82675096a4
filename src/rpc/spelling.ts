import type { Spelling } from "./errors.js";

/** How a client that sends JSON, in a body or in the URL of a GET, spells fields, or one that sends binary. */
export function spellingOf({ header, url }: { readonly header: Headers; readonly url: string }): Spelling {
  const isJson = /\bjson\b/.test(header.get("content-type") ?? new URL(url).searchParams.get("encoding") ?? "");
  return isJson ? "camelCase" : "snake_case";
}
