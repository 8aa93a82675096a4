import { readFileSync } from "node:fs";
import { ASK_AGAIN, makeStaticPage, type StaticPage } from "./static-page.js";

/** Where `npm run generate` puts the document, and the build beside the built files. */
const FILE = new URL("../../../gen/openapi.json", import.meta.url);

let page: StaticPage | undefined;

/** The OpenAPI document of this server, without white space. It is read when it is first asked for. Throws when it is not there. */
export function openApiPage(): StaticPage {
  if (page === undefined) {
    const body = Buffer.from(JSON.stringify(JSON.parse(readFileSync(FILE, "utf8"))));
    page = makeStaticPage(body, "application/json", ASK_AGAIN);
  }
  return page;
}
