import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hashToken } from "../../../src/access/hash-token.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { ConfigError, readConfig } from "../../../src/server/config/config.js";
import { configure } from "../../../src/server/configure.js";

const folder = mkdtempSync(join(tmpdir(), "gotaskq-access-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = "s3cret-of-20-letters";
const AUTH_TOKENS = `name=a token=${SECRET} scopes=read`;

function problems(env: Record<string, string>, given = {}): readonly string[] {
  try {
    readConfig(env, given);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function fileOf(content: string): string {
  const path = join(folder, `tokens-${hashToken(content).slice(0, 8)}.json`);
  writeFileSync(path, content);
  return path;
}

describe("a server that others can reach", () => {
  test.each(["0.0.0.0", "::", "192.0.2.1", "server.example", "10.0.0.1"])(
    "is refused at %s unless it is said who may call",
    (HOST) => {
      expect(problems({ HOST })).toEqual([
        expect.stringMatching(/^HOST: ".*" can be reached by others, and nothing says who may call: set AUTH_TOKENS/),
      ]);
      expect(problems({ HOST, AUTH: "tokens" })).toHaveLength(1);
      expect(problems({ HOST, AUTH: "none" })).toEqual([]);
      expect(problems({ HOST, AUTH_TOKENS })).toEqual([]);
      expect(problems({ HOST, AUTHORIZER: "./authorizer.ts" })).toEqual([]);
      expect(problems({ HOST }, { hasAuthorizer: true })).toEqual([]);
      expect(problems({ HOST, AUTH_TOKENS_FILE: fileOf('{"tokens":[]}') })).toEqual([]);
    },
  );

  test.each(["127.0.0.1", "localhost", "::1", "127.1.2.3"])("is not one at %s", (HOST) => {
    expect(problems({ HOST })).toEqual([]);
  });
});

test.each([null, {}, "./authorizer.ts"])("an authorizer that is handed in and is %j opens nothing", async (given) => {
  const refused = configure({ HOST: "0.0.0.0" }, silentLogger, { authorizer: given as never });
  await expect(refused).rejects.toMatchObject({
    problems: ["authorizer: must be a function", expect.stringMatching(/^HOST: /)],
  });
});

describe("the variables of access", () => {
  test.each(["AUTH_TOKENS", "AUTH_TOKENS_FILE", "AUTHORIZER"])(
    "are missed when %s is there and empty: whoever sets it means to ask",
    (name) => {
      for (const HOST of ["127.0.0.1", "0.0.0.0"]) {
        expect(problems({ HOST, [name]: " " })).toEqual([
          `${name}: is empty, and nothing else says who may call: unset it to let everybody`,
        ]);
      }
      expect(problems({ [name]: "", AUTH: "none" })).toEqual([]);
      expect(problems({ [name]: "" }, { hasAuthorizer: true })).toEqual([]);
      expect(problems({ AUTH_TOKENS, ...(name !== "AUTH_TOKENS" && { [name]: "" }) })).toEqual([]);
    },
  );

  test("are missed with AUTH=tokens, on this machine too", () => {
    expect(problems({ AUTH: "tokens" })).toEqual([
      "AUTH: tokens are to be asked for, and none is known: set AUTH_TOKENS, AUTH_TOKENS_FILE or AUTHORIZER, or AUTH=none to let everybody",
    ]);
    expect(problems({ AUTH: "tokens", AUTH_TOKENS })).toEqual([]);
  });

  test("contradict AUTH=none", () => {
    expect(problems({ AUTH: "none", AUTH_TOKENS })).toEqual([
      "AUTH: none asks for no token, and AUTH_TOKENS is given: unset one of them",
    ]);
    expect(problems({ AUTH: "none" }, { hasAuthorizer: true })).toHaveLength(1);
  });

  test("name every problem of tokens, and show none of them", () => {
    const path = fileOf(`{"tokens":[{"name":"b","token":"${SECRET}","scopes":["read"]}]}`);
    const told = problems({ AUTH_TOKENS: `${SECRET};name=a token=${SECRET} scopes=reed`, AUTH_TOKENS_FILE: path });
    expect(told.map((problem) => problem.replace(/:.*/, ""))).toEqual(
      expect.arrayContaining(["AUTH_TOKENS", "AUTH_TOKENS_FILE"]),
    );
    expect(told.length).toBeGreaterThan(3);
    expect(told.join()).not.toContain(SECRET);
    expect(problems({ AUTH_TOKENS_FILE: SECRET })).toEqual(["AUTH_TOKENS_FILE: cannot be read: ENOENT"]);
    expect(problems({ AUTH_TOKENS: SECRET }).join()).not.toContain(SECRET);
  });

  test("have no token in the environment and in the file", () => {
    const path = fileOf(`{"tokens":[{"name":"b","sha256":"${hashToken(SECRET)}","scopes":["work"]}]}`);
    expect(problems({ AUTH_TOKENS, AUTH_TOKENS_FILE: path })).toEqual([
      "AUTH_TOKENS_FILE: with AUTH_TOKENS: it is the same token as another one",
    ]);
    const { access } = readConfig({ AUTH_TOKENS_FILE: path });
    expect(access.file?.tokens).toEqual([
      { name: "b", sha256: hashToken(SECRET), scopes: ["work"], queues: undefined, endsAt: undefined },
    ]);
    expect(JSON.stringify(readConfig({ AUTH_TOKENS }))).not.toContain(SECRET);
  });
});
