import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { readConfig } from "../../src/server/config/config.js";
import { CONNECTION_TIMES } from "../../src/server/http/connection-times.js";

const FILES = ["redis", "file"] as const;

/** Where the types of each version are. */
const MODULES: Readonly<Record<string, string>> = {
  v1: "core/v1",
  "apps/v1": "apps/v1",
  "policy/v1": "policy/v1",
  "autoscaling/v2": "autoscaling/v2",
};

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked at by their paths
type Manifest = any;

function read(name: string): Manifest[] {
  const text = readFileSync(`.ops/kubernetes/${name}.yaml`, "utf8");
  return parseAllDocuments(text, { strict: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

/** What the compiler has against these manifests, by the types of the API of Kubernetes: unknown fields too. */
function problemsOf(manifests: readonly Manifest[]): string {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-kubernetes-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const lines = manifests.map(
    (manifest, index) =>
      `export const m${index}: import("kubernetes-types/${MODULES[manifest.apiVersion]}").${manifest.kind} = ${JSON.stringify(manifest, undefined, 1)};`,
  );
  writeFileSync(join(folder, "manifests.ts"), lines.join("\n"));
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--types", ""];
  const tsc = resolve("node_modules/.bin/tsc");
  const { stdout, stderr } = spawnSync(tsc, [...options, "manifests.ts"], { cwd: folder, encoding: "utf8" });
  return stdout + stderr;
}

const podOf = (manifests: readonly Manifest[]) => manifests.find(({ spec }) => spec?.template)?.spec.template;

describe.each(FILES)("the manifests of kubernetes/%s.yaml", (name) => {
  test("have the fields that the API of Kubernetes has, and no others", () => {
    expect(problemsOf(read(name))).toBe("");
    const wrong = read(name);
    podOf(wrong).spec.containers[0].readinesProbe = {};
    podOf(wrong).spec.terminationGracePeriodSeconds = "60";
    expect(problemsOf(wrong)).toMatch(/readinesProbe/);
  });

  test("name each other", () => {
    const manifests = read(name);
    const { metadata, spec } = podOf(manifests);
    for (const manifest of manifests) {
      const selector = manifest.spec?.selector?.matchLabels ?? manifest.spec?.selector;
      if (selector !== undefined) expect(metadata.labels).toMatchObject(selector);
    }
    const [container] = spec.containers;
    const ports = container.ports.map((port: Manifest) => port.name);
    const used = [container.livenessProbe, container.readinessProbe, container.startupProbe];
    for (const probe of used) expect(ports).toContain(probe.httpGet.port);
    expect(ports).toContain(manifests.find(({ kind }) => kind === "Service").spec.ports[0].targetPort);
    const mounted = container.volumeMounts.map((mount: Manifest) => mount.name).toSorted();
    const volumes = [
      ...spec.volumes,
      ...(workload(manifests).volumeClaimTemplates ?? []).map(({ metadata }: Manifest) => metadata),
    ];
    expect(volumes.map((volume: Manifest) => volume.name).toSorted()).toEqual(mounted);
    const secret = manifests.find(({ kind }) => kind === "Secret");
    for (const { valueFrom } of container.env) {
      if (valueFrom) expect(secret.stringData).toHaveProperty([valueFrom.secretKeyRef.key]);
    }
    for (const { secret: named } of spec.volumes) {
      if (named) for (const { key } of named.items) expect(secret.stringData).toHaveProperty([key]);
    }
  });

  test("set variables that the server takes, once the placeholders are replaced, and none that it does not know", () => {
    const manifests = read(name);
    const [container] = podOf(manifests).spec.containers;
    const { stringData } = manifests.find(({ kind }) => kind === "Secret");
    const folder = mkdtempSync(join(tmpdir(), "gotaskq-tokens-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "tokens.json");
    const load = (tokens: string) => {
      writeFileSync(file, tokens);
      const env = Object.fromEntries(
        container.env.map(({ name: variable, value, valueFrom }: Manifest) => [
          variable,
          variable === "AUTH_TOKENS_FILE" ? file : (value ?? stringData[valueFrom.secretKeyRef.key]),
        ]),
      );
      return readConfig({ HOST: "0.0.0.0", ...env });
    };
    // A server with the placeholders would be one with tokens that everybody knows.
    expect(() => load(stringData["tokens.json"])).toThrow(/AUTH_TOKENS_FILE/);
    let digit = 0;
    const config = load(stringData["tokens.json"].replaceAll("REPLACE", () => String(++digit).repeat(64)));
    const readme = readFileSync("src/server/README.md", "utf8");
    for (const { name: variable } of container.env) {
      if (variable !== "NODE_OPTIONS") expect(readme).toContain(`\`${variable}\``);
    }
    const grace = podOf(manifests).spec.terminationGracePeriodSeconds * 1000;
    const preStop = Number(container.lifecycle?.preStop.exec.command[1] ?? 0) * 1000;
    expect(grace).toBeGreaterThan(preStop + config.shutdownTimeoutMs + CONNECTION_TIMES.closeMs);
  });
});

function workload(manifests: readonly Manifest[]): Manifest {
  return manifests.find(({ spec }) => spec?.template).spec;
}
