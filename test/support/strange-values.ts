/** Errors and other thrown values that most code trips over, by what is strange about them. Made anew at each call. */
export const STRANGE_ERRORS: Readonly<Record<string, () => unknown>> = {
  "a getter of the stack that throws": () => Object.defineProperty(new Error("x"), "stack", { get: throws }),
  "a getter of the message that throws": () => Object.defineProperty(new Error("x"), "message", { get: throws }),
  "a getter of the name that throws": () => Object.defineProperty(new Error("x"), "name", { get: throws }),
  "a getter of the cause that throws": () => Object.defineProperty(new Error("x"), "cause", { get: throws }),
  "a getter of another field that throws": () =>
    Object.defineProperty(new Error("x"), "code", { get: throws, enumerable: true }),
  "a constructor that throws": () => Object.defineProperty(new Error("x"), "constructor", { get: throws }),
  "a wait that throws": () =>
    Object.defineProperty(Object.assign(new Error("x"), { name: "RetryAfterError" }), "retryAfterMs", { get: throws }),
  "a wait that is a symbol": () =>
    Object.assign(new Error("x"), { name: "RetryAfterError", retryAfterMs: Symbol("soon") }),
  "20,000 causes": () => {
    let error = new Error("the first");
    for (let depth = 0; depth < 20_000; depth++) error = new Error("x", { cause: error });
    return error;
  },
  "a cause that is itself": () => {
    const error = new Error("x");
    error.cause = error;
    return error;
  },
  "a cause that is a function that throws": () => new Error("x", { cause: throws }),
  "a cause that is a revoked Proxy": () => new Error("x", { cause: revoked() }),
  "a stack that is no text": () => Object.assign(new Error("x"), { stack: { length: 1 } }),
  "a message that has no text": () => Object.assign(new Error("x"), { message: Object.create(null) }),
  "errors that throw": () =>
    new AggregateError([revoked(), Object.defineProperty(new Error("x"), "stack", { get: throws })]),
  "an error that is frozen": () => Object.freeze(new Error("x")),
  "a revoked Proxy": revoked,
  "a Proxy that always throws": hostile,
  "a symbol": () => Symbol("x"),
  "a BigInt": () => 5n,
  "a function": () => throws,
  nothing: () => undefined,
  null: () => null,
  "an object without a prototype": () => Object.create(null),
  "an object whose conversion throws": () => ({ toString: throws, valueOf: throws, [Symbol.toPrimitive]: throws }),
  "a rejected promise": () => {
    const promise = Promise.reject(new Error("x"));
    promise.catch(() => {});
    return promise;
  },
};

/** Values whose conversion to a number, to text or to JSON throws, or never ends well. Made anew at each call. */
export const STRANGE_VALUES: Readonly<Record<string, () => unknown>> = {
  "a symbol": () => Symbol("x"),
  "an object whose conversion throws": () => ({ toString: throws, valueOf: throws, toJSON: throws }),
  "a getter that throws": () => ({ list: [Object.defineProperty({}, "x", { get: throws, enumerable: true })] }),
  "a getter of toJSON that throws": () => Object.defineProperty({}, "toJSON", { get: throws }),
  "toJSON that throws what cannot be looked at": () => ({
    toJSON() {
      throw revoked();
    },
  }),
  "a revoked Proxy inside": () => ({ inside: revoked() }),
  "a Proxy inside that always throws": () => ({ inside: hostile() }),
  "a BigInt": () => ({ big: 5n }),
  "a circle": () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    return circle;
  },
  "20,000 arrays": () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 20_000; depth++) value = [value];
    return value;
  },
};

/** A Proxy that can be used for nothing: even `instanceof` throws. */
export function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** A Proxy whose every trap throws. */
function hostile(): object {
  return new Proxy({}, new Proxy({}, { get: () => throws }));
}

/** Throws whenever it is called. */
function throws(): never {
  throw new Error("this cannot be read");
}
