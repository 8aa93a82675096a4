import { type DecodeLimits, tooDeep, tooManyInMessage, tooManyValues } from "../decode-error.js";

/** How many more JSON values a message may have. */
export interface ValueBudget {
  valuesLeft: number;
}

/** What keeps a JSON value from being a payload; undefined when it can be one. Bounded work, whatever the value. */
export function valueProblem(json: unknown, limits: DecodeLimits, budget: ValueBudget): string | undefined {
  let left = limits.values;
  const look = (value: unknown, depth: number): string | undefined => {
    if (--left < 0) return tooManyValues(limits);
    if (--budget.valuesLeft < 0) return tooManyInMessage(limits);
    if (typeof value === "number") return Number.isFinite(value) ? undefined : "has a number that is out of range";
    if (typeof value !== "object" || value === null) return undefined;
    if (depth === limits.depth) return tooDeep(limits);
    for (const item of Array.isArray(value) ? value : Object.values(value)) {
      const problem = look(item, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  return look(json, 0);
}
