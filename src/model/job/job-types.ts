/**
 * The payload and the result of each job type, as a program declares them:
 *
 * ```ts
 * interface Jobs {
 *   email: { payload: { to: string; at: Date }; result: { id: string } };
 *   report: { payload: { month: string } };
 *   cleanup: {};
 * }
 * ```
 *
 * A constraint: `Jobs extends JobTypes<Jobs>`. It refuses what cannot travel, such as a Map, a bigint or a function.
 */
export type JobTypes<Jobs> = {
  readonly [Type in keyof Jobs]: {
    readonly payload?: Travels<PayloadOf<Jobs, Type>>;
    readonly result?: Travels<ResultOf<Jobs, Type>>;
  };
};

/**
 * The jobs of a program that declares none: of any type, with anything in them. A task queue of declared jobs serves wherever one of these
 * is taken.
 */
// biome-ignore lint/suspicious/noExplicitAny: nobody has said what is in them
export type AnyJobs = any;

/** The names of the job types. */
export type TypeOf<Jobs> = keyof Jobs & string;

/** What a job of this type is created with; undefined: nothing. */
export type PayloadOf<Jobs, Type extends keyof Jobs> = "payload" extends keyof Jobs[Type]
  ? Jobs[Type]["payload"]
  : undefined;

/** What its handler returns; undefined: nothing. */
export type ResultOf<Jobs, Type extends keyof Jobs> = "result" extends keyof Jobs[Type]
  ? Jobs[Type]["result"]
  : undefined;

/**
 * What arrives of a value that was sent, as a payload or a result: a Date is a string, what has a `toJSON` is what that returns, and a
 * property that may be undefined may be missing. Bytes, which can only be all of a payload or result, are a Uint8Array, whatever
 * subclass of it was sent. `never`: it cannot travel.
 */
export type Json<T> = IsAny<T> extends true ? T : T extends Uint8Array ? Uint8Array : Written<T, true>;

/** `T`, with `never` in the place of what cannot travel: so `T extends Travels<T>` says that all of it can. */
export type Travels<T> = IsAny<T> extends true ? T : T extends Uint8Array ? T : Written<T, false>;

type IsAny<T> = 0 extends 1 & T ? true : false;

/** What JSON writes as it is, or leaves out. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a result may be declared so
type Plain = string | number | boolean | null | undefined | void;

/** What has no JSON, or is written as something else without a word. */
type Lost =
  | bigint
  | symbol
  | ((...args: never[]) => unknown)
  | (abstract new (
      ...args: never[]
    ) => unknown)
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<WeakKey, unknown>
  | WeakSet<WeakKey>
  | RegExp
  | Error
  | PromiseLike<unknown>
  | ArrayBufferLike
  | ArrayBufferView;

/**
 * A value as JSON writes it. `Arrived`: what is read of it; otherwise the value itself, with `never` in the place of what cannot be
 * written, and of `undefined` in lists, which becomes null.
 */
type Written<T, Arrived extends boolean> =
  IsAny<T> extends true
    ? T
    : unknown extends T
      ? T
      : T extends Plain
        ? T
        : T extends Lost
          ? never
          : T extends { toJSON(key: string): infer Text }
            ? Arrived extends true
              ? Written<Text, true>
              : [Written<Text, false>] extends [never]
                ? never
                : T
            : T extends readonly unknown[]
              ? {
                  [At in keyof T]: Arrived extends true
                    ? Written<T[At], true>
                    : Exclude<Written<T[At], false>, undefined>;
                }
              : Arrived extends true
                ? ArrivedObject<T>
                : { [Key in keyof T]: Key extends symbol ? never : Written<T[Key], false> };

type ArrivedObject<T> = [MayBeMissing<T>] extends [never]
  ? { [Key in keyof T as Exclude<Key, symbol>]: Written<T[Key], true> }
  : Merged<
      { [Key in keyof T as Exclude<Key, symbol | MayBeMissing<T>>]: Written<T[Key], true> } & {
        [Key in keyof T as Extract<Key, MayBeMissing<T>>]?: Written<T[Key], true>;
      }
    >;

/** The properties that have to be there, but may be undefined. */
type MayBeMissing<T> = {
  [Key in keyof T]-?: undefined extends T[Key]
    ? IsAny<T[Key]> extends true
      ? never
      : Pick<T, Key> extends Required<Pick<T, Key>>
        ? Key
        : never
    : never;
}[keyof T];

type Merged<T> = { [Key in keyof T]: T[Key] };
