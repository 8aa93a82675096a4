/** An event that one part of a test reports to another. */
export interface Signal {
  readonly fired: Promise<void>;
  fire(): void;
}

/** Creates a signal that has not fired yet. */
export function signal(): Signal {
  let fire = () => {};
  const fired = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { fired, fire: () => fire() };
}
