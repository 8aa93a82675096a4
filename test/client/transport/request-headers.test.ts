import { headerTimeout, requestHeader } from "@connectrpc/connect/protocol-connect";
import { expect, test } from "vitest";
import { requestHeaders } from "../../../src/client/transport/request-headers.js";

test.each(["unary", "server_streaming"] as const)(
  "a %s call has the headers that Connect's own transport sends",
  (kind) => {
    const connects = Object.fromEntries(requestHeader(kind, true, undefined, undefined, true));
    expect(requestHeaders(kind, undefined, undefined)).toEqual(connects);
    expect(requestHeaders(kind, { "x-own": "1" }, 50)).toEqual({
      ...connects,
      ...{ "x-own": "1", [headerTimeout]: "50" },
    });
  },
);
