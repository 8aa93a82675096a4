/** What a child tells its supervisor. */
export type FromChild =
  | { readonly type: "ready" }
  /** Something for whoever has the child. */
  | { readonly type: "message"; readonly body: unknown };

/** What a supervisor tells a child. */
export type ToChild =
  /** End yourself in order. */
  { readonly type: "stop" } | { readonly type: "message"; readonly body: unknown };

/** The descriptor, in the child, of a pipe that nobody writes to: it closes when the supervisor's process ends. */
export const LIFELINE_FD = 4;
