import { expect, test } from "vitest";
import { connectionOf } from "../../src/cli/options/connection.js";
import { connectionVariables } from "../../src/cli/work/work-settings.js";

test("processes of a worker call with the token that its options say, whatever the environment has", () => {
  const env = { GOTASKQ_TOKEN: "of the environment", GOTASKQ_TOKEN_FILE: "/nowhere" };
  const tokenOfChild = (given: Parameters<typeof connectionOf>[0]) => {
    const parent = connectionOf(given, env);
    const { token } = connectionOf({}, { ...env, ...connectionVariables(parent, { ...given } as never) }).options;
    return typeof token === "function" ? token() : token;
  };
  expect(tokenOfChild({})).toBe("of the environment");
  expect(tokenOfChild({ token: "of an option" })).toBe("of an option");
  expect(tokenOfChild({ tokenFile: "package.json" })).toContain('"name": "gotaskq"');
});
