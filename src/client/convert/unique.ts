import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type Unique as UniquePb, UniqueSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import { fieldInvalid } from "../../model/common/errors.js";
import { UNIQUE_CONFLICTS, UNIQUE_UNTIL, type Unique, type UniqueRequest } from "../../model/job/unique.js";
import { lengthOf } from "./times.js";

/** Converts what a new job says of its unique key. Throws FIELD_INVALID for values that a message cannot carry. */
export function toUnique(
  { key, until, holdMs, onConflict }: UniqueRequest,
  duration: (field: string, ms: number) => Duration,
  path: string,
): UniquePb {
  const numberOf = <T>(field: string, values: readonly T[], value: T | undefined) => {
    if (value === undefined) return 0;
    if (values.includes(value)) return values.indexOf(value) + 1;
    throw fieldInvalid([{ field: path + field, description: `must be one of ${values.join(", ")}` }]);
  };
  const message = create(UniqueSchema, {
    key,
    until: numberOf("until", UNIQUE_UNTIL, until),
    onConflict: numberOf("onConflict", UNIQUE_CONFLICTS, onConflict),
  });
  if (holdMs !== undefined) message.hold = duration("unique.holdMs", holdMs);
  return message;
}

/** Converts the unique key of a job from its message. */
export function fromUnique({ key, until, hold }: UniquePb): Unique {
  return { key, until: UNIQUE_UNTIL[until - 1] ?? "FINISHED", holdMs: lengthOf(hold) ?? 0 };
}
