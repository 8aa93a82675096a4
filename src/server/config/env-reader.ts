import { hidePassword } from "../../backends/redis/link/url.js";
import { parseDuration } from "../../model/common/duration.js";

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables, and gathers what is wrong with them: each problem names its variable. An empty variable counts as not set.
 * A variable that is not valid reads as its fallback.
 */
export class EnvReader {
  readonly problems: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The text of a variable; undefined when it is not set. */
  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  isSet(name: string): boolean {
    return this.text(name) !== undefined;
  }

  /** Whether a variable is there, and empty. */
  isBlank(name: string): boolean {
    return this.#env[name] !== undefined && !this.isSet(name);
  }

  /** `wanted` is what the value must be, or says of a text what is wrong with it. */
  read<T>(
    name: string,
    fallback: T,
    parse: (text: string) => T | undefined,
    wanted: string | ((text: string) => string),
  ): T {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = parse(text);
    if (value === undefined) {
      const problem = typeof wanted === "string" ? `must be ${wanted}` : wanted(text);
      this.problem(name, `${problem}, got "${hidePassword(text)}"`);
    }
    return value ?? fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const parse = (text: string) =>
      /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
    return this.read(name, fallback, parse, `a whole number from ${min} to ${max}`);
  }

  /** Reads a duration, and returns ms. */
  duration(name: string, fallbackMs: number, minMs: number, maxMs: number): number {
    const parse = (text: string) => {
      const ms = parseDuration(text);
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    };
    const wanted = `a duration from ${minMs / 1000}s to ${maxMs / 3_600_000}h, like 30s or 5m`;
    return this.read(name, fallbackMs, parse, wanted);
  }

  choice<T extends string>(name: string, fallback: T, values: readonly T[]): T {
    return this.read(name, fallback, (text) => values.find((value) => value === text), `one of ${values.join(", ")}`);
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.read(name, fallback, parseBoolean, "true or false");
  }

  /** Adds what is wrong with a variable. */
  problem(name: string, what: string): void {
    this.problems.push(`${name}: ${what}`);
  }
}

function parseBoolean(text: string): boolean | undefined {
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : undefined;
}
