import type { HttpRequest, HttpResponse } from "../../rpc/http.js";

/** Checks a base path, and returns it without a slash at its end; "" for none. Throws a TypeError. */
export function readBasePath(given = ""): string {
  const path = given.replace(/\/+$/, "");
  if (path === "" || /^(\/[^/?#\s]+)+$/.test(path)) return path;
  throw new TypeError(`basePath: must be a path like "/queue", got ${JSON.stringify(given)}`);
}

/** The target of a request below a base path, as it would be without; undefined: it lies elsewhere. */
export function belowBase(url: string, basePath: string): string | undefined {
  // A target may be a whole address, as proxies send it.
  const start = url.startsWith("/") ? 0 : (/^https?:\/\/[^/?#]*/i.exec(url)?.[0].length ?? 0);
  if (!url.startsWith(basePath, start)) return undefined;
  const rest = url.slice(start + basePath.length);
  if (rest !== "" && !/^[/?#]/.test(rest)) return undefined;
  return url.slice(0, start) + (rest.startsWith("/") ? rest : `/${rest}`);
}

/**
 * Sends a browser that asks for the base path itself to the folder of that name: the console names its files relative to that. Returns
 * false, without an answer, for other requests.
 */
export function redirectToFolder(whole: string, request: HttpRequest, response: HttpResponse): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  const [path = "", query] = whole.split("?", 2);
  if (path.endsWith("/")) return false;
  const name = path.slice(path.lastIndexOf("/") + 1);
  response.statusCode = 302;
  response.setHeader("location", `./${name}/${query === undefined ? "" : `?${query}`}`);
  response.end();
  return true;
}
