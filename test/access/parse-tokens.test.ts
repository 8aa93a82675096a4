import { describe, expect, test } from "vitest";
import { hashToken, newToken } from "../../src/access/hash-token.js";
import { parseTokens } from "../../src/access/parse-tokens.js";
import { parseTokenFile } from "../../src/access/token-file.js";

const SECRET = "s3cret-of-20-letters";
const HASH = hashToken(SECRET);
const RIGHT = { name: "shop", sha256: HASH, scopes: ["produce", "read"], queues: undefined, endsAt: undefined };

describe("AUTH_TOKENS", () => {
  test("has tokens, plain or hashed, with scopes, queues and end dates", () => {
    const other = newToken();
    const text = `name=shop token=${SECRET} scopes=produce,read;
      sha256=${hashToken(other).toUpperCase()} name=ops scopes=admin queues=mail,orders* ends_at=2027-01-31T12:00:00+01:00
      name=day scopes=work sha256=${"0".repeat(64)} ends_at=2027-01-31 ;`;
    expect(parseTokens(text)).toEqual({
      records: [
        RIGHT,
        {
          name: "ops",
          sha256: hashToken(other),
          scopes: ["admin"],
          queues: ["mail", "orders*"],
          endsAt: Date.UTC(2027, 0, 31, 11),
        },
        { name: "day", sha256: "0".repeat(64), scopes: ["work"], queues: undefined, endsAt: Date.UTC(2027, 0, 31) },
      ],
      problems: [],
    });
  });

  test.each([
    [SECRET, /word 1 must begin with one of name= token= /],
    [`name=a scopes=read token=${SECRET} ${SECRET}`, /word 4 must begin/],
    [`name=a scopes=read TOKEN=${SECRET}`, /word 3 must begin/],
    [`name=a scopes=read`, /must have one of token= and sha256=/],
    [`name=a scopes=read token=${SECRET} sha256=${HASH}`, /must have one of token= and sha256=/],
    [`name=a scopes=read token=${SECRET} token=${SECRET}`, /token is given twice/],
    [`name=a scopes=read token=s3cret`, /token must be 16 to 4096 letters/],
    [`name=a scopes=read token=${SECRET}"`, /token must be 16 to 4096 letters/],
    [`name=a scopes=read sha256=${SECRET}`, /sha256 must be the 64 hexadecimal digits/],
    [`scopes=read token=${SECRET}`, /name must be/],
    [`name=${"x".repeat(65)} scopes=read token=${SECRET}`, /name must be/],
    [`name=a token=${SECRET}`, /scopes must be among read, produce, work, admin/],
    [`name=a scopes=reed,${SECRET} token=${SECRET}`, /scopes must be among/],
    [`name=a scopes= token=${SECRET}`, /scopes must be among/],
    [`name=a scopes=read token=${SECRET} queues=Mail`, /queues must be names of queues/],
    [`name=a scopes=read token=${SECRET} queues=`, /queues must be names of queues/],
    [`name=a scopes=read token=${SECRET} queues=a*b`, /queues must be names of queues/],
    [`name=a scopes=read token=${SECRET} ends_at=tomorrow`, /ends_at must be a time like/],
    [`name=a scopes=read token=${SECRET} ends_at=2027-01-31T00:00:00`, /ends_at must be a time like/],
    [`name=a scopes=read token=${SECRET} ends_at=2027-13-31`, /ends_at must be a time like/],
    [`name=a scopes=read token=${SECRET};name=a scopes=read sha256=${"0".repeat(64)}`, /token 2: its name is that of/],
    [`name=a scopes=read token=${SECRET};name=b scopes=read sha256=${HASH}`, /token 2: it is the same token/],
    [";", /has no token/],
  ])("refuses what it does not mean, and shows no secret: %#", (text, wanted) => {
    const { records, problems } = parseTokens(text);
    expect(records).toEqual([]);
    expect(problems.join("\n")).toMatch(wanted);
    expect(problems.join("\n")).not.toMatch(/s3cret|reed|tomorrow/);
  });
});

describe("AUTH_TOKENS_FILE", () => {
  const file = (token: object) => parseTokenFile(JSON.stringify({ tokens: [token] }));
  const token = { name: "shop", sha256: HASH, scopes: ["produce", "read"] };

  test("has hashed tokens", () => {
    expect(file({ ...token, queues: ["mail", "b*"], ends_at: "2027-01-31T00:00:00Z" })).toEqual({
      records: [{ ...RIGHT, queues: ["mail", "b*"], endsAt: Date.UTC(2027, 0, 31) }],
      problems: [],
    });
    expect(parseTokenFile('{"tokens":[]}')).toEqual({ records: [], problems: [] });
  });

  test.each([
    [`{"tokens":[{"name":"${SECRET}"`, /is not valid JSON/],
    ["", /is not valid JSON/],
    ["[]", /must be an object like/],
    ['{"tokens":{}}', /must be an object like/],
    [JSON.stringify({ tokens: [SECRET] }), /tokens\[0\]: must be an object/],
    [JSON.stringify({ tokens: [{ ...token, token: SECRET }] }), /a file has hashes only/],
    [JSON.stringify({ tokens: [{ ...token, sha256: SECRET }] }), /sha256 must be/],
    [JSON.stringify({ tokens: [{ ...token, queue: ["mail"] }] }), /has a field that is none of/],
    [JSON.stringify({ tokens: [{ ...token, queues: [] }] }), /queues must be/],
    [JSON.stringify({ tokens: [{ ...token, queues: null }] }), /queues must be/],
    [JSON.stringify({ tokens: [{ ...token, queues: "mail" }] }), /queues must be/],
    [JSON.stringify({ tokens: [{ ...token, scopes: "read" }] }), /scopes must be/],
    [JSON.stringify({ tokens: [{ ...token, ends_at: 1_800_000_000 }] }), /ends_at must be/],
    [JSON.stringify({ tokens: [{ ...token, name: 1 }] }), /name must be/],
    [JSON.stringify({ tokens: [token, token] }), /tokens\[1\]: its name is that of/],
  ])("refuses what it does not mean, and shows no secret: %#", (text, wanted) => {
    const { records, problems } = parseTokenFile(text);
    expect(records).toEqual([]);
    expect(problems.join("\n")).toMatch(wanted);
    expect(problems.join("\n")).not.toContain("s3cret");
  });
});
