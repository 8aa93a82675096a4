import type { IncomingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import type { TaskQueueError } from "../../model/common/errors.js";
import { DecodeError } from "../../wire/decode-error.js";
import { badMessage, type Codec, type FastMethod } from "../fast/fast-method.js";
import type { GetRequest } from "../fast/get-request.js";
import { type WireProtocol, wireProtocolOf } from "../fast/wire-protocol.js";
import { BODY_FIELD, type ErrorAnswer, errorBody, toErrorAnswer } from "./errors.js";
import { matchPaths } from "./paths.js";
import { ROUTES, type Route, type Target } from "./routes.js";

/** A request of the original's API as the fast path serves it. */
export interface OriginalCall {
  /** The method of the RPC, with the request and the answer of this path. */
  readonly method: FastMethod;
  readonly protocol: WireProtocol;
  /** Of a GET, which has no body. */
  readonly get: GetRequest | undefined;
}

/** The API of the original server, in front of our services. */
export interface OriginalApi {
  /**
   * What a request calls, by its method, path and query; or why it is refused. Undefined: its path is none of this API.
   */
  find(verb: string | undefined, target: string, headers: IncomingHttpHeaders): OriginalCall | ErrorAnswer | undefined;
}

/** A route with what the fast path needs. */
interface Served {
  readonly route: Route;
  readonly method: FastMethod;
  readonly protocol: WireProtocol;
}

const CONNECT_JSON = wireProtocolOf("application/json", false) as WireProtocol;

const NOTHING = new Uint8Array();

/** Creates the API on the methods of our services, by their paths. */
export function createOriginalApi(methods: ReadonlyMap<string, FastMethod>): OriginalApi {
  const served = ROUTES.map((route): Served => {
    const method = methods.get(`/${route.rpc}`);
    if (method === undefined) throw new Error(`there is no method ${route.rpc}`);
    return { route, method, protocol: protocolOf(route) };
  });

  return {
    find(verb, target, headers) {
      const { path, query } = split(target);
      const params = matchPaths(path);
      const possible = params.size === 0 ? [] : served.filter(({ route }) => params.has(route.path));
      const one = possible.find(({ route }) => route.verb === verb);
      if (one !== undefined) {
        return isForged(one.route.verb, headers) ? FORGED : callOf(one, params.get(one.route.path) ?? "", query, path);
      }
      const allowed = [...new Set(possible.map(({ route }) => route.verb))];
      if (allowed.length === 0) return undefined;
      return { status: 405, headers: { allow: allowed.join(", ") }, body: errorBody(`use ${allowed.join(" or ")}`) };
    },
  };
}

/** The path and the query of a target, which may be a whole address, as proxies send it. */
function split(target: string): { path: string; query: string } {
  const local = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*/i, "");
  const at = local.indexOf("?");
  return at < 0 ? { path: local, query: "" } : { path: local.slice(0, at), query: local.slice(at + 1) };
}

/**
 * Whether a page of any site may have made a browser send this. Browsers send text and forms anywhere without asking; what is JSON,
 * and a DELETE, only where the server says that the page may.
 */
function isForged(verb: string, headers: IncomingHttpHeaders): boolean {
  const isOfPage = headers.origin !== undefined || headers["sec-fetch-site"] === "cross-site";
  return (
    verb === "POST" &&
    isOfPage &&
    wireProtocolOf(headers["content-type"], false)?.contentType !== CONNECT_JSON.contentType
  );
}

const FORGED: ErrorAnswer = {
  status: 415,
  headers: {},
  body: errorBody("pages must send `content-type: application/json`"),
};

function callOf({ route, method, protocol }: Served, param: string, query: string, path: string): OriginalCall {
  const target: Target = { param, query: new URLSearchParams(query) };
  const { nextPage } = route;
  const own = nextPage && ((message: Message) => linkTo(nextPage(message as never), target.query));
  return {
    method: { ...method, json: codecOf(route, method.json, target) },
    protocol: own === undefined ? protocol : { ...protocol, bare: { ...protocol.bare, headersOf: own } },
    get: route.verb === "GET" ? { protocol, url: path, compression: null, message: () => NOTHING } : undefined,
  };
}

function protocolOf({ status, errors }: Route): WireProtocol {
  const bare = { status, errorOf: (error: Parameters<typeof toErrorAnswer>[0]) => toErrorAnswer(error, errors) };
  return { ...CONNECT_JSON, name: "http", spelling: "snake_case", bare };
}

/** Where the next page of a list is, as HTTP has it: from where the caller is, whatever path leads there from outside. */
function linkTo(pageToken: string, query: URLSearchParams): Record<string, string> {
  if (pageToken === "") return {};
  const next = new URLSearchParams(query);
  next.set("page_token", pageToken);
  return { link: `<?${next}>; rel="next"` };
}

function codecOf(route: Route, json: Codec, target: Target): Codec {
  const { readInSteps } = route;
  const toText = (message: Message) => `${route.answer(message as never)}\n`;
  return {
    ...json,
    parse(bytes) {
      try {
        return route.read(target, bytes);
      } catch (error) {
        throw badBody(error);
      }
    },
    *parseInSteps(bytes) {
      try {
        return readInSteps === undefined ? route.read(target, bytes) : yield* readInSteps(target, bytes);
      } catch (error) {
        throw badBody(error);
      }
    },
    toText,
    serialize: (message) => Buffer.from(toText(message)),
  };
}

/** The error for a body that is none; one that is no JSON is told from one whose fields are bad. */
function badBody(error: unknown): TaskQueueError {
  if (!(error instanceof DecodeError)) return badMessage(error);
  const fields = error.fields.map(({ field, description }) => ({
    field: field === "request" ? BODY_FIELD : field,
    description,
  }));
  return badMessage(new DecodeError(fields, error.more));
}
