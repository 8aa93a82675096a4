import { readFile } from "node:fs/promises";
import type { Clock, Timer } from "../../core/clock.js";
import { errorText } from "../../model/common/describe-error.js";

/** Between two looks at watched files, ms. */
const LOOK_MS = 5000;

/** Between two looks at files that have changed, ms: they are taken once they stay as they are. */
const SETTLE_MS = 250;

/** What is told of watched files. */
export interface FilesListener {
  /** The files have other contents, in the order of their paths. What throws is told to `failed`. */
  changed(contents: readonly Buffer[]): void;
  /** One of the files cannot be read any more, or `changed` threw. Told once for each such state. */
  failed(error: unknown): void;
}

/** Files that are read again when they change. */
export interface WatchedFiles {
  /** Nothing is told from here on. Idempotent. */
  stop(): void;
}

/**
 * Watches files for other contents than `known`, which were read before. It looks at what the paths lead to, not for events:
 * so files that are renamed into place, links that come to point elsewhere (Kubernetes) and network file systems are noticed
 * alike, within `LOOK_MS`. Files that change one after the other are told together: nothing is taken before two looks in a row
 * have found the same.
 */
export function watchFiles(
  paths: readonly string[],
  known: readonly Buffer[],
  clock: Clock,
  listener: FilesListener,
): WatchedFiles {
  let current: Look = { contents: known };
  let last: Look = current;
  let timer: Timer | undefined;
  let isStopped = false;

  async function look(): Promise<void> {
    const found = await readAll(paths);
    if (isStopped) return;
    const isSettled = isSame(found, last);
    last = found;
    if (isSettled && !isSame(found, current)) {
      current = found;
      tell(found);
    }
    arm();
  }

  function tell({ contents, error }: Look): void {
    try {
      if (contents === undefined) listener.failed(error);
      else listener.changed(contents);
    } catch (thrown) {
      listener.failed(thrown);
    }
  }

  function arm(): void {
    timer = clock.setTimer(isSame(last, current) ? LOOK_MS : SETTLE_MS, () => void look());
  }

  arm();
  return {
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}

/** What was found at a look: the contents, or why they could not be read. */
interface Look {
  readonly contents?: readonly Buffer[];
  readonly error?: unknown;
}

async function readAll(paths: readonly string[]): Promise<Look> {
  try {
    return { contents: await Promise.all(paths.map((path) => readFile(path))) };
  } catch (error) {
    return { error };
  }
}

function isSame(one: Look, other: Look): boolean {
  if (one.contents === undefined || other.contents === undefined) {
    return one.contents === other.contents && errorText(one.error) === errorText(other.error);
  }
  return one.contents.every((content, index) => other.contents?.[index]?.equals(content));
}
