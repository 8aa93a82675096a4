import { signal } from "@preact/signals";

/** Where the page is: `#/jobs?queue=mail` is the path `/jobs` and one parameter. */
export interface Route {
  readonly path: string;
  readonly params: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.slice(1).split("?", 2);
  return { path: path || "/", params: new URLSearchParams(query) };
}

/** The route now. */
export const route = signal<Route>(read());

addEventListener("hashchange", () => {
  route.value = read();
});

/** The address of a page, for a link. Empty parameters are left out. */
export function href(path: string, params: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  const text = query.toString();
  return `#${path}${text && `?${text}`}`;
}

/** Goes to a page; `replace` leaves no step to go back to. */
export function go(address: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, "", address);
    route.value = read();
  } else location.hash = address.slice(1);
}
