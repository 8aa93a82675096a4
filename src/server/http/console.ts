import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HttpRequest, HttpResponse } from "../../rpc/http.js";
import { ASK_AGAIN, answerStaticPage, makeStaticPage, type StaticPage, sendBody } from "./static-page.js";

/** Where `npm run build` puts the console, relative to the sources and relative to the built files. */
const FOLDERS = ["../../../.build/console/", "../../../console/"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/**
 * The console shows text that strangers wrote into jobs. So it may run, load and call only what comes from this server,
 * and no other page may put it into a frame.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  // Pages of other origins may not open it and keep a hold of its window.
  "cross-origin-opener-policy": "same-origin",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
};

/** Names of assets contain a hash of their content, so they may be cached for ever. The page must be revalidated. */
const FOR_EVER = "public, max-age=31536000, immutable";

/** Serves the web console. */
export interface Console {
  /** Answers a request for one of its files. Returns false, without an answer, when there is no such file. */
  answer(path: string, request: HttpRequest, response: HttpResponse): boolean;
}

/**
 * Serves the console that `npm run build` made. All files are read at the first request and kept, so that a later build
 * does not mix old and new files in a running server. Without a build, `/` answers 503 and says so.
 */
export function createConsole(folders: readonly string[] = FOLDERS): Console {
  let pages: ReadonlyMap<string, StaticPage> | undefined;

  return {
    answer(path, request, response) {
      if (path !== "/" && !path.startsWith("/assets/")) return false;
      pages ??= readPages(folders);
      const page = pages.get(path);
      if (page === undefined && path !== "/") return false;
      if (page !== undefined) answerStaticPage(page, request, response, HEADERS);
      else sendBody(request, response, 503, { "content-type": "text/plain; charset=utf-8" }, NOT_BUILT);
      return true;
    },
  };
}

const NOT_BUILT = Buffer.from("the console is not built: run `npm run build`\n");

/** Reads the files of the first folder that exists. Returns them by the path they are served at. */
function readPages(folders: readonly string[]): ReadonlyMap<string, StaticPage> {
  const pages = new Map<string, StaticPage>();
  const folder = folders.find((each) => existsSync(join(each, "index.html")));
  if (folder === undefined) return pages;
  pages.set("/", readPage(join(folder, "index.html"), ASK_AGAIN));
  for (const name of readdirSync(join(folder, "assets"))) {
    pages.set(`/assets/${name}`, readPage(join(folder, "assets", name), FOR_EVER));
  }
  return pages;
}

function readPage(file: string, caching: string): StaticPage {
  return makeStaticPage(readFileSync(file), TYPES[extname(file)] ?? "application/octet-stream", caching);
}
