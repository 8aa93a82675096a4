import { describe, expect, test } from "vitest";
import { hidePassword, parseRedisUrl, type RedisTarget, whyNotRead } from "../../../../src/backends/redis/link/url.js";

const server = { kind: "server", host: "h", port: 6379, db: 0, tls: false } as const;
const socket = { kind: "socket", path: "/run/redis.sock", db: 0, tls: false } as const;
const cluster = { kind: "cluster", nodes: [{ host: "a", port: 6379 }], tls: false } as const;
const sentinel = {
  kind: "sentinel",
  nodes: [{ host: "a", port: 26_379 }],
  master: "mine",
  db: 0,
  tls: false,
} as const;

const GOOD: readonly (readonly [url: string, target: RedisTarget])[] = [
  ["redis://h", server],
  ["redis://h/", server],
  ["redis://h:6380", { ...server, port: 6380 }],
  ["redis://h/3", { ...server, db: 3 }],
  ["redis://h:1/15", { ...server, port: 1, db: 15 }],
  ["redis://", { ...server, host: "127.0.0.1" }],
  ["redis://10.0.0.1:65535", { ...server, host: "10.0.0.1", port: 65_535 }],
  ["redis://[::1]", { ...server, host: "::1" }],
  ["redis://[fe80::1]:7000/1", { ...server, host: "fe80::1", port: 7000, db: 1 }],
  ["rediss://h", { ...server, tls: true }],
  ["redis://:pw@h", { ...server, password: "pw" }],
  ["redis://me:pw@h:6380/1", { ...server, port: 6380, db: 1, username: "me", password: "pw" }],
  ["redis://me@h", { ...server, username: "me" }],
  ["redis://me:p%40s%2Fs%3Aw@h", { ...server, username: "me", password: "p@s/s:w" }],
  ["redis://me:a:b@h", { ...server, username: "me", password: "a:b" }],
  ["/run/redis.sock", socket],
  ["unix:///run/redis.sock", socket],
  ["unix:///run/redis.sock?db=2", { ...socket, db: 2 }],
  ["unix://me:pw@/run/redis.sock", { ...socket, username: "me", password: "pw" }],
  ["redis+cluster://a", cluster],
  ["redis+cluster://a/", cluster],
  [
    "redis+cluster://a:1,b,[::1]:3",
    {
      ...cluster,
      nodes: [
        { host: "a", port: 1 },
        { host: "b", port: 6379 },
        { host: "::1", port: 3 },
      ],
    },
  ],
  ["rediss+cluster://me:pw@a", { ...cluster, tls: true, username: "me", password: "pw" }],
  ["redis+sentinel://a/mine", sentinel],
  [
    "redis+sentinel://a,b:1/mine/2",
    {
      ...sentinel,
      nodes: [
        { host: "a", port: 26_379 },
        { host: "b", port: 1 },
      ],
      db: 2,
    },
  ],
  ["redis+sentinel://:pw@a/my%20own", { ...sentinel, master: "my own", password: "pw" }],
  ["rediss+sentinel://a/mine", { ...sentinel, tls: true }],
];

const BAD = [
  "",
  "h",
  "h:6379",
  "http://h",
  "redis:h",
  "redis:/h",
  "redis://h:0",
  "redis://h:65536",
  "redis://h:x",
  "redis://h:6379:1",
  "redis://:6379",
  "redis://a b",
  "redis://[::1",
  "redis://::1",
  "redis://h/x",
  "redis://h/-1",
  "redis://h/1/2",
  "redis://a,b",
  "redis://me:%zz@h",
  "unix://",
  "unix:///",
  "unix://relative/path",
  "unix:///s?db=x",
  "redis+cluster://",
  "redis+cluster://a,",
  "redis+cluster://a/1",
  "redis+sentinel://a",
  "redis+sentinel://a/",
  "redis+sentinel:///mine",
  "redis+sentinel://a/mine/x",
  "redis+sentinel://a/mine/1/2",
  "redis+sentinel://a/bad%zz",
  "redis+tls://a",
  "redis://h?tls=true",
  "redis://h/1?db=1",
  "redis://h?tls",
  "unix:///s?db=1&tls=true",
  "redis+cluster://a?tls=true",
  "redis+sentinel://a/mine?tls=true",
];

describe("a Redis URL", () => {
  test.each(GOOD)("%s is read", (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  test.each(BAD)("%j is refused", (url) => {
    expect(parseRedisUrl(url)).toBeUndefined();
  });

  test.each([
    ["redis://h?tls=true", /^has the unknown option "tls": .* rediss:\/\/$/],
    ["unix:///s?db=1&timeout=3", /^has the unknown option "timeout"/],
    ["redis://h/1?db=1", /^has the unknown option "db"/],
    ["http://h", /^must be redis:\/\/host/],
    ["unix:///s?db=x", /^must be redis:\/\/host/],
    // What looks like an option is part of a password.
    ["redis://me:p/w?secret=x@h", /^must be redis:\/\/host/],
  ])("%s: what is wrong with it is said", (url, why) => {
    expect(whyNotRead(url)).toMatch(why);
  });

  test.each([
    ["redis://h", "redis://h"],
    ["redis://me@h", "redis://me@h"],
    ["redis://:pw@h:1/2", "redis://:***@h:1/2"],
    ["redis://me:pw@h", "redis://me:***@h"],
    ["redis://me:a:b@h", "redis://me:***@h"],
    ["rediss+cluster://me:pw@a,b", "rediss+cluster://me:***@a,b"],
    ["redis+sentinel://me:pw@a/mine", "redis+sentinel://me:***@a/mine"],
    ["unix://me:pw@/run/s", "unix://me:***@/run/s"],
    // Those that are refused are shown too.
    ["redis://me:p@s@h", "redis://me:***@h"],
    ["redis://me:p/w@h", "redis://me:***@h"],
    ["redis://me:p#?w@h", "redis://me:***@h"],
    ["REDIS://me:pw@h", "REDIS://me:***@h"],
    ["me:pw@h", "me:***@h"],
    ["redis://h?password=pw&db=1", "redis://h?password=***&db=1"],
    ["redis://[::1]:6379", "redis://[::1]:6379"],
    ["h:6379", "h:6379"],
  ])("%s is shown as %s", (url, shown) => {
    expect(hidePassword(url)).toBe(shown);
  });
});
