import { expect, expectTypeOf, test } from "vitest";
import type {
  AnyJobs,
  JobTypes,
  Json,
  PayloadOf,
  ResultOf,
  Travels,
  TypeOf,
} from "../../../src/model/job/job-types.js";

class Money {
  constructor(readonly cents: number) {}
  toJSON(): { readonly cents: number } {
    return { cents: this.cents };
  }
}

interface Order {
  readonly id: string;
  at: Date;
  readonly total: Money;
  note: string | undefined;
  tags?: string[];
  lines: { sku: string; shipped: Date | null }[];
  readonly pair: readonly [Date, number];
  parent?: Order;
}

interface Jobs {
  order: { payload: Order; result: { done: Date } };
  upload: { payload: Buffer; result: Uint8Array };
  either: { payload: string | Date | undefined };
  nothing: object;
}

/** Only for its constraint. */
function accept<J extends JobTypes<J>>(_?: J): void {}

/** The compiler runs these tests: the check of types covers this file. */
test("types of jobs say what travels", () => {
  accept<Jobs>();
  accept<AnyJobs>();
  accept<{ a: { payload: unknown }; b: { result: undefined } }>();
  // @ts-expect-error: a Map is written as {}
  accept<{ a: { payload: { seen: Map<string, number> } } }>();
  // @ts-expect-error: a Set is written as {}
  accept<{ a: { payload: Set<string>[] } }>();
  // @ts-expect-error: JSON has no bigint
  accept<{ a: { payload: { n: bigint } } }>();
  // @ts-expect-error: a function is left out
  accept<{ a: { payload: { run: () => void } } }>();
  // @ts-expect-error: a symbol is left out
  accept<{ a: { payload: [symbol] } }>();
  // @ts-expect-error: so is a property named by one
  accept<{ a: { payload: { [Symbol.iterator]: string } } }>();
  // @ts-expect-error: undefined becomes null in a list
  accept<{ a: { payload: (string | undefined)[] } }>();
  // @ts-expect-error: bytes are all of a payload or none of it
  accept<{ a: { payload: { file: Uint8Array } } }>();
  // @ts-expect-error: the same of results
  accept<{ a: { result: { error: Error } } }>();
  // @ts-expect-error: a name that is none
  accept<{ a: { paylod: string } }>();

  expectTypeOf<TypeOf<Jobs>>().toEqualTypeOf<"order" | "upload" | "either" | "nothing">();
  expectTypeOf<PayloadOf<Jobs, "order">>().toEqualTypeOf<Order>();
  expectTypeOf<PayloadOf<Jobs, "nothing">>().toEqualTypeOf<undefined>();
  expectTypeOf<ResultOf<Jobs, "either">>().toEqualTypeOf<undefined>();
  expectTypeOf<PayloadOf<AnyJobs, string>>().toBeAny();

  type Read = Json<Order>;
  expectTypeOf<Read["at"]>().toEqualTypeOf<string>();
  expectTypeOf<Read["total"]>().toEqualTypeOf<{ readonly cents: number }>();
  expectTypeOf<Read["lines"]>().toEqualTypeOf<{ sku: string; shipped: string | null }[]>();
  expectTypeOf<Read["pair"]>().toEqualTypeOf<readonly [string, number]>();
  expectTypeOf<Read["parent"]>().toEqualTypeOf<Read | undefined>();
  expectTypeOf<Pick<Read, "note" | "tags">>().toEqualTypeOf<{ note?: string | undefined; tags?: string[] }>();
  expectTypeOf<Json<Buffer>>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<Json<string | Date | undefined>>().toEqualTypeOf<string | undefined>();
  expectTypeOf<Json<unknown>>().toBeUnknown();
  expectTypeOf<Json<Map<string, string>>>().toBeNever();
  expectTypeOf<Travels<Order>>().toExtend<Order>();
  expect(JSON.parse(JSON.stringify({ total: new Money(5) }))).toEqual({ total: { cents: 5 } });
});
