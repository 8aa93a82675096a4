import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { type Pages, readPages } from "./pages.js";

const RULES = ".ops/prometheus/rules.yml";
const DASHBOARD = ".ops/grafana/gotaskq.json";

/** Metrics that have no series on the pages of these tests, and why. */
const WITHOUT_SERIES = new Set([
  // Only what was refused has one.
  "gotaskq_connections_refused_total",
]);

/** The variable that panels take their data source from. */
const SOURCE = ["$", "{datasource}"].join("");

const promtool = inject("promtool");

/** Runs promtool; throws what it prints when it finds something. */
function check(args: readonly string[], input?: string): string {
  try {
    return execFileSync(promtool, args, { encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], input });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(" ")}:\n${stdout}${stderr}`);
  }
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly Panel[];
}

const rules = readFileSync(RULES, "utf8");
const dashboard = JSON.parse(readFileSync(DASHBOARD, "utf8")) as Dashboard;
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** The metrics of a server that a text names, without those that the rules record. */
function namesIn(text: string): string[] {
  const found = text.match(/(?<![\w:])(gotaskq|nodejs|process)_[a-z0-9_]+(?!\w|:)/g) ?? [];
  return [...new Set(found.map((name) => name.replace(/_(bucket|sum|count)$/, "")))].sort();
}

const withoutComments = (text: string) => text.replaceAll(/^ *#.*$/gm, "");

let pages: Pages;

beforeAll(async () => {
  pages = await readPages();
});

describe("rules and dashboard", () => {
  test.each([
    ["the rules", () => withoutComments(rules)],
    ["the dashboard", () => [...expressions, ...dashboard.templating.list.map((each) => each.definition)].join("\n")],
  ])("%s name only metrics that are on a real page, with series", (_what, text) => {
    const names = namesIn(text()).filter((name) => name !== "gotaskq_recorded" && name !== "gotaskq_alerts");
    expect(names.length).toBeGreaterThan(10);
    const declared = (name: string) => pages.types.has(name);
    expect(names.filter((name) => !declared(name))).toEqual([]);
    const told = new Set(pages.series.map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")));
    for (const { name } of pages.series) told.add(name);
    expect(names.filter((name) => !told.has(name) && !WITHOUT_SERIES.has(name))).toEqual([]);
  });

  test("labels that rules choose by are on the page", () => {
    const chosen = [...withoutComments(rules).matchAll(/(gotaskq_\w+)\{(\w+)(?:=~?)"([^"]+)"\}/g)];
    expect(chosen.length).toBeGreaterThan(2);
    for (const [, name = "", label = "", value = ""] of chosen) {
      const all = pages.series.filter((each) => each.name === name);
      expect(all.length, name).toBeGreaterThan(0);
      expect(
        all.every(({ labels }) => label in labels),
        `${name} has ${label}`,
      ).toBe(true);
      // The codes of faults did not come.
      if (label !== "code") expect(all.map(({ labels }) => labels[label])).toContain(value);
    }
  });

  test("each alert has a severity, a summary, a description and an entry in the runbook", () => {
    const alerts = rules.split(/^ {6}- alert: /m).slice(1);
    const runbook = readFileSync("src/server/README.md", "utf8");
    const anchors = new Set([...runbook.matchAll(/^#{2,4} (.+)$/gm)].map(([, title = ""]) => title.toLowerCase()));
    expect(alerts.length).toBeGreaterThan(15);
    for (const alert of alerts) {
      const name = alert.split("\n")[0] ?? "";
      expect(alert, name).toMatch(/labels: \{ severity: (critical|warning|info) \}/);
      expect(alert, name).toMatch(/summary: ".+"/);
      expect(alert, name).toMatch(/description: ".+"/);
      expect(alert, name).toContain(`runbook_url: src/server/README.md#${name.toLowerCase()}`);
      expect(anchors, name).toContain(name.toLowerCase());
    }
  });

  test("the dashboard is whole: panels with units and places of their own, and variables for source, job and queue", () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "job", "queue"]);
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const graphs = dashboard.panels.filter(({ type }) => type !== "row");
    for (const { title, targets = [], fieldConfig, datasource } of graphs) {
      expect(targets.length, title).toBeGreaterThan(0);
      expect(fieldConfig?.defaults.unit, title).toBeTruthy();
      expect(datasource?.uid, title).toBe(SOURCE);
      for (const { expr } of targets) expect(expr, title).toContain('job=~"$job"');
    }
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      const { x, y, w, h } = gridPos;
      expect(x + w, title).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect(taken.has(`${column} ${line}`), `${title} covers another panel`).toBe(false);
          taken.add(`${column} ${line}`);
        }
      }
    }
  });
});

describe("the README of the server", () => {
  const readme = readFileSync("src/server/README.md", "utf8");
  const section = readme.slice(readme.indexOf("\n## Metrics and health"), readme.indexOf("\n## Shutting down"));
  const rows = [...section.matchAll(/^\| (`gotaskq_.+?) \| (.*?) ?\| .+ \|$/gm)].map(([, names = "", labels = ""]) => ({
    names: [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name),
    labels: labels.split(", ").filter((label) => label !== ""),
  }));

  test("has a row for each metric, and a metric for each row", () => {
    const documented = rows.flatMap(({ names }) => names);
    const declared = [...pages.types.keys()].filter((name) => name.startsWith("gotaskq_"));
    expect(documented.toSorted()).toEqual(declared.toSorted());
  });

  test("tells the labels that a metric has", () => {
    for (const { names, labels } of rows) {
      for (const name of names) {
        const found = pages.series.find((each) => each.name === name || each.name === `${name}_count`);
        if (found === undefined) expect(WITHOUT_SERIES, name).toContain(name);
        else expect(Object.keys(found.labels).toSorted(), name).toEqual(labels.toSorted());
      }
    }
  });
});

describe.skipIf(promtool === "")("promtool", () => {
  test("finds the rules good", () => {
    expect(check(["check", "rules", RULES])).toContain("SUCCESS");
  });

  test("finds that each alert fires when it should", () => {
    const alerts = new Set([...rules.matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name));
    const tests = readFileSync("test/ops/alerts.yml", "utf8");
    expect([...alerts].filter((name) => !tests.includes(name))).toEqual([]);
    expect(check(["test", "rules", "test/ops/alerts.yml"])).toContain("SUCCESS");
  });

  test("finds the pages good", () => {
    for (const text of pages.texts) expect(check(["check", "metrics"], text)).toBe("");
  });

  test("can read every expression of the dashboard", () => {
    const folder = mkdtempSync(join(tmpdir(), "gotaskq-dashboard-"));
    try {
      const readable = expressions.map((expr, at) => ({
        record: `panel:${at}`,
        expr: expr.replaceAll("$__rate_interval", "5m"),
      }));
      // JSON is YAML.
      writeFileSync(join(folder, "rules.json"), JSON.stringify({ groups: [{ name: "dashboard", rules: readable }] }));
      expect(check(["check", "rules", join(folder, "rules.json")])).toContain(`${expressions.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
