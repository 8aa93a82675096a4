import { LIMITS } from "../../model/common/limits.js";
import { compareNumbers } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import { readPageToken, writePageToken } from "./page-token.js";

/** Which page of workers. */
export interface WorkerPageQuery {
  /** 0 or undefined: 50. */
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
}

/** One page of workers. */
export interface WorkerPage<W> {
  readonly workers: readonly W[];
  /** `pageToken` for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/** The listing that page tokens belong to; a token of another listing is refused. */
const LISTING = "workers";

/** One page of these workers, those known for longest first. FIELD_INVALID, PAGE_TOKEN_INVALID. */
export function pageOfWorkers<W extends { readonly id: string }>(
  all: readonly W[],
  { pageSize, pageToken }: WorkerPageQuery,
): WorkerPage<W> {
  const violations = new Violations();
  violations.pageSize("pageSize", pageSize);
  violations.throwIfAny();
  const after = pageToken ? readPageToken(LISTING, pageToken) : "";
  const limit = pageSize || LIMITS.defaultPageSize;
  const rest = all.filter(({ id }) => compareNumbers(id, after) > 0).sort((a, b) => compareNumbers(a.id, b.id));
  const workers = rest.slice(0, limit);
  const last = workers.at(-1);
  const more = last !== undefined && rest.length > limit;
  return { workers, nextPageToken: more ? writePageToken(LISTING, last.id) : "" };
}
