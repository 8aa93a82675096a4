import { fieldInvalid } from "../../model/common/errors.js";

/**
 * Returns the number that a name has in an enum of messages. Throws FIELD_INVALID, which names the field, for a name that the enum does
 * not know: it would be sent as a field that is not set, and nobody would be told.
 */
export function numberOf<T extends number>(
  field: string,
  names: Readonly<Record<string, string | T>>,
  name: string,
): T {
  const number = names[name];
  if (typeof number === "number" && number > 0) return number;
  const known = Object.keys(names).filter((key) => Number(names[key]) > 0);
  throw fieldInvalid([{ field, description: `must be one of ${known.join(", ")}` }]);
}
