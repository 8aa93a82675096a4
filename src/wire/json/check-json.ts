import { type DecodeLimits, tooManyInMessage, tooManyValues } from "../decode-error.js";
import { countJsonValues, findRepeatedName } from "./json-names.js";
import { isOrdinary } from "./ordinary-json.js";
import { type ValueBudget, valueProblem } from "./value-problem.js";

/**
 * What keeps a text from being a payload as it is: it is no JSON, or says what no google.protobuf.Value can, which everybody reads
 * who asks for no text. Undefined when it can be one, unless it has half of a surrogate pair without the other.
 *
 * @param budget of the message that it is in, if that is large
 */
export function jsonProblem(text: string, limits: DecodeLimits, budget?: ValueBudget): string | undefined {
  const looking = jsonProblemInSteps(text, limits, budget);
  for (;;) {
    const { done, value } = looking.next();
    if (done === true) return value;
  }
}

/** As `jsonProblem`, in steps: of the text as a whole, each of which takes some ms for the largest one. */
export function* jsonProblemInSteps(
  text: string,
  limits: DecodeLimits,
  budget?: ValueBudget,
): Generator<void, string | undefined> {
  // Counted before they are made. A text of fewer characters has fewer values.
  if (budget !== undefined || text.length > limits.values) {
    const count = countJsonValues(new TextEncoder().encode(text));
    if (count > limits.values) return tooManyValues(limits);
    if (budget !== undefined && count > budget.valuesLeft) return tooManyInMessage(limits);
    if (budget !== undefined) budget.valuesLeft -= count;
    yield;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return `is not valid JSON: ${error instanceof Error ? error.message : error}`;
  }
  yield;
  if (isOrdinary(text, json, limits)) return undefined;
  yield;
  const problem = valueProblem(json, limits, { valuesLeft: limits.values });
  if (problem !== undefined) return problem;
  yield;
  const repeated = findRepeatedName(text);
  return repeated && `has the name "${repeated.name}" twice in one object`;
}
