import { expect, test } from "vitest";
import { startTestServer } from "../support/server.js";
import { clientOf } from "./support.js";

test("a server at an address of IPv6 is called by its name, with brackets", async () => {
  const { url } = await startTestServer({ HOST: "::1", NUM_WORKERS: "0" });
  expect(url).toContain("[::1]");
  for (const httpVersion of ["2", "auto"] as const) {
    const { job } = await clientOf(url, { httpVersion, retryMs: 0 }).create({ type: "nobody" });
    expect(job.status).toBe("PENDING");
  }
});
