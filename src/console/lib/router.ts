import { signal } from "@preact/signals";

/** The page shown and its parameters: `#/jobs?queue=mail` is the path `/jobs` with one parameter. */
export interface Route {
  readonly path: string;
  readonly params: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.slice(1).split("?", 2);
  return { path: path || "/", params: new URLSearchParams(query) };
}

/** The current route. */
export const route = signal<Route>(read());

addEventListener("hashchange", () => {
  route.value = read();
});

/** Returns the address of a page, for a link. Empty parameters are left out. */
export function href(path: string, params: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  const text = query.toString();
  return `#${path}${text && `?${text}`}`;
}

/** Goes to a page. With `replace`, the current one is dropped from the history of the browser. */
export function go(address: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, "", address);
    route.value = read();
  } else location.hash = address.slice(1);
}
