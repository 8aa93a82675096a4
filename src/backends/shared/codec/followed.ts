import type { Followed } from "../../../core/port/changes.js";

const KINDS: readonly Followed["of"][] = ["job", "changes", "counts"];

/** The kind of what is followed of the change log. */
export const LOG = KINDS.indexOf("changes");

/** Something that a server follows, or (false) not any more, as frames have it: its kind, and the id of the job, or the queue or null. */
export type WrittenFollowed = readonly [kind: number, name: string | null, isFollowed: boolean];

export function writeFollowed(followed: Followed, isFollowed: boolean): WrittenFollowed {
  const name = followed.of === "job" ? followed.id : followed.queue;
  return [KINDS.indexOf(followed.of), name ?? null, isFollowed];
}

export function readFollowed([kind, name]: WrittenFollowed): Followed {
  const of = KINDS[kind];
  if (of === undefined) throw new TypeError("nobody can follow that");
  return of === "job" ? { of, id: name ?? "" } : { of, queue: name ?? undefined };
}
