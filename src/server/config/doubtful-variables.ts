import type { Environment } from "./env-reader.js";
import { VARIABLES } from "./variables.js";

const KNOWN = Object.keys(VARIABLES);

/** Fewest letters of a known name for which a misspelling is looked for: shorter ones resemble too much that is others'. */
const MIN_LENGTH = 6;
/** From so many letters on, two may be wrong. */
const LONG_LENGTH = 10;
/** Fewest letters of a part, between underscores, in which a misspelling counts: `NODE_IP` does not mean `NODE_ID`. */
const MIN_PART = 3;

/** What all variables of this program may be thought to begin with. */
const PREFIX = "GOTASKQ_";
/** Kubernetes sets these, with a prefix, for a service of this name. */
const OF_SERVICES = new Set(["PORT", "HOST"]);

/**
 * Finds variables that are set and do nothing, though whoever set them may think so: misspelt ones, and those of a Redis that is not
 * used. Returns what is to be said of each, which begins with its name. Variables of other programs are nothing to speak of.
 */
export function doubtfulVariables(environment: Environment): readonly string[] {
  return [...misspelt(environment), ...unused(environment)];
}

function misspelt(environment: Environment): string[] {
  const isSet = (name: string) => Boolean(environment[name]?.trim());
  return Object.keys(environment)
    .filter((name) => !(name in VARIABLES) && isSet(name))
    .flatMap((name) => {
      const meant = meantBy(name);
      // With both set, the other one is likely another program's.
      return meant === undefined || isSet(meant)
        ? []
        : [`${name}: is not a variable of this program; is ${meant} meant?`];
    });
}

function unused(environment: Environment): string[] {
  // One that says false is a decision.
  if (environment.USE_REDIS?.trim() || !environment.REDIS_URL?.trim()) return [];
  return [
    "REDIS_URL: is set, and jobs are not kept there; set USE_REDIS=true to keep them in Redis, or false to say so",
  ];
}

function meantBy(name: string): string | undefined {
  const upper = name.toUpperCase();
  if (upper.startsWith(PREFIX)) {
    const rest = upper.slice(PREFIX.length);
    return rest in VARIABLES && !OF_SERVICES.has(rest) ? rest : undefined;
  }
  return KNOWN.find((known) => isMisspelt(upper, known));
}

function isMisspelt(name: string, known: string): boolean {
  if (known.length < MIN_LENGTH) return false;
  const distance = editDistance(name, known);
  if (distance > (known.length >= LONG_LENGTH ? 2 : 1)) return false;
  const parts = name.split("_");
  const knownParts = known.split("_");
  // With an underscore too few or too many, there are no parts to compare.
  if (parts.length !== knownParts.length) return true;
  return knownParts.every((part, at) => part === parts[at] || part.length >= MIN_PART);
}

/** How many letters are wrong, missing, too many, or changed places with the next. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swapped));
    }
  }
  return at(a.length, b.length);
}
