/**
 * The paths of the original's API, with a name in braces where a request says what it is about. Those in words come first:
 * `POST /queue/jobs` creates a queue.
 */
export const ORIGINAL_PATHS = [
  "/jobs",
  "/jobs/{id}",
  "/dlq",
  "/dlq/{id}/replay",
  "/dlq/{id}",
  "/queue/{name}",
  "/queue",
  "/{queue}/jobs",
] as const;

/** One of them. */
export type OriginalPath = (typeof ORIGINAL_PATHS)[number];

const SEGMENTS: readonly (readonly [OriginalPath, readonly string[]])[] = ORIGINAL_PATHS.map((path) => [
  path,
  path.slice(1).split("/"),
]);

/** The paths that a path of a request may be, each with what stands at its name, decoded; "" where it has none. */
export function matchPaths(path: string): Map<OriginalPath, string> {
  const segments = path.slice(1).split("/");
  const found = new Map<OriginalPath, string>();
  for (const [each, wanted] of SEGMENTS) {
    const param = paramOf(wanted, segments);
    if (param !== undefined) found.set(each, decode(param));
  }
  return found;
}

function paramOf(wanted: readonly string[], segments: readonly string[]): string | undefined {
  if (wanted.length !== segments.length) return undefined;
  let param = "";
  for (let index = 0; index < wanted.length; index++) {
    const segment = segments[index] as string;
    if (wanted[index]?.startsWith("{")) param = segment;
    else if (wanted[index] !== segment) return undefined;
    if (segment === "") return undefined;
  }
  return param;
}

function decode(param: string): string {
  try {
    return decodeURIComponent(param);
  } catch {
    // As it stands it is the name of nothing.
    return param;
  }
}
