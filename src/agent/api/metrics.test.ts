import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { AgentStatus } from "../status.ts";
import { metricsOf } from "./metrics.ts";
import { metricsText, type Metric } from "./metrics-text.ts";
import { fakeStatus } from "./testing.ts";

interface Family {
  readonly type: string;
  readonly samples: ReadonlyMap<string, number>;
}

/** Stricter than Prometheus: each family once, help and type before its samples, no sample twice, nothing else. */
function parsed(text: string): ReadonlyMap<string, Family> {
  assert.ok(text.endsWith("\n") && !text.includes("\r"));
  const families = new Map<string, { type: string; samples: Map<string, number> }>();
  const lines = text.slice(0, -1).split("\n");
  for (let at = 0; at < lines.length;) {
    const [, name] = /^# HELP ([a-z_:][a-z0-9_:]*) (?:[^\\]|\\\\|\\n)+$/.exec(lines[at]!) ?? assert.fail(lines[at]);
    const [, type] = new RegExp(`^# TYPE ${name} (gauge|counter)$`).exec(lines[at + 1]!) ?? assert.fail(lines[at + 1]);
    assert.equal(name!.endsWith("_total"), type === "counter", name!);
    assert.ok(!families.has(name!), `${name} is there twice`);
    const samples = new Map<string, number>();
    const label = String.raw`[a-z_][a-z0-9_]*="(?:[^"\\]|\\\\|\\"|\\n)*"`;
    const line = new RegExp(String.raw`^${name}(?:\{(${label}(?:,${label})*)\})? (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$`);
    for (at += 2; at < lines.length && !lines[at]!.startsWith("#"); at++) {
      const [, labels = "", value] = line.exec(lines[at]!) ?? assert.fail(lines[at]);
      const names = Array.from(labels.matchAll(/([a-z0-9_]+)="(?:[^"\\]|\\.)*"/g), ([, one]) => one);
      assert.equal(new Set(names).size, names.length, lines[at]!);
      assert.ok(!samples.has(labels), `${lines[at]} is there twice`);
      samples.set(labels, Number(value));
    }
    assert.ok(samples.size > 0, `${name} has no sample`);
    families.set(name!, { type: type!, samples });
  }
  return families;
}

const room = { readOnly: false, free: 3e9, size: 4e9, freeInodes: 10, inodes: 20 };
const figures = {
  load: [0.5, 0.25, 0.01],
  memory: { MemTotal: 2 ** 31, MemAvailable: 2 ** 30, SwapTotal: 0, SwapFree: 0 },
  cpu: { user: 12.5, idle: 1e9 },
  room: { "/oem": room, "/usr/local": { ...room, readOnly: true } },
} as const;
const NOTHING = { load: undefined, memory: {}, cpu: {}, room: {} };
const ends = { machine: 2e9, authority: 3e9 };
/** Everything is there that may be. */
const full: AgentStatus = {
  ...fakeStatus,
  next: "recovery",
  slots: {
    a: { role: "active", state: "proven", tries: 6, digest: "ab", scrub: { at: 900_000, damage: "block 7" } },
    b: { role: "passive", state: "trial" },
  },
  health: { is: "unhealthy", checks: [{ name: 'say "no" \\ \n', ok: false, reason: "x" }] },
  alarms: [
    { code: "STALE", message: "one" },
    { code: "STALE", message: "other" },
    { code: "UNHEALTHY", message: "web" },
  ],
  degraded: [{ partition: "oem", is: "full", sentence: "x" }],
  operation: { id: "1", kind: "upgrade", at: "writing", text: "writing", percent: 7 },
  config: { generation: 12, trial: false, notes: ["a"] },
  drift: { at: 1, generation: 12, mode: "report", found: ["x", "y"] },
  updates: {
    ...{ step: "nothing", because: "window", lookedAt: 999_000, lookFailures: 0, failures: 2, left: 1, isPaused: false },
    release: { image: "cd", version: "1.5.0", created: 990_000, security: true, reference: "registry.example/edge@sha256:00" },
    ...{ took: 95, lock: "held" },
  },
};
const families = (status: AgentStatus, of: Parameters<typeof metricsOf>[2] = figures) =>
  parsed(metricsText(metricsOf("1.2.3", status, of, ends)));
const valueOf = (found: ReadonlyMap<string, Family>, name: string, labels = ""): number | undefined =>
  found.get(`petrify_${name}`)?.samples.get(labels);

suite("metrics", () => {
  test("say what the status says", () => {
    const found = families(full);
    for (const [name, labels, value] of [
      ["running", 'target="a"', 1],
      ["running", 'target="b"', 0],
      ["boot_next", 'target="recovery"', 1],
      ["slot_state", 'slot="a",state="proven"', 1],
      ["slot_state", 'slot="b",state="proven"', 0],
      ["slot_state", 'slot="b",state="trial"', 1],
      ["slot_active", 'slot="a"', 1],
      ["slot_tries", 'slot="a"', 6],
      ["slot_tries", 'slot="b"', undefined],
      ["slot_verified_timestamp_seconds", 'slot="a"', 900_000],
      ["slot_damaged", 'slot="a"', 1],
      ["slot_damaged", 'slot="b"', undefined],
      ["health", 'state="unhealthy"', 1],
      ["health", 'state="healthy"', 0],
      ["alarms", "", 3],
      ["alarm", 'code="STALE"', 1],
      ["data_partition_degraded", 'partition="oem",is="full"', 1],
      ["operation_active", 'kind="upgrade",step="writing"', 1],
      ["operation_percent", "", 7],
      ["config_generation", "", 12],
      ["config_trial", "", 0],
      ["config_notes", "", 1],
      ["drift", "", 2],
      ["uptime_seconds", "", 100],
      ["boot_time_seconds", "", 999_900],
      ["certificate_expiry_timestamp_seconds", 'of="machine"', 2e9],
      ["update_available", 'version="1.5.0",security="true"', 1],
      ["update_step", 'step="nothing",because="window"', 1],
      ["update_looked_timestamp_seconds", "", 999_000],
      ["update_failures", 'of="look"', 0],
      ["update_failures", 'of="release"', 2],
      ["update_paused", "", 0],
      ["update_fallen_back", "", 1],
      ["update_fleet_lock", "", 1],
      ["update_duration_seconds", "", 95],
      ["load15", "", 0.01],
      ["cpu_seconds_total", 'mode="user"', 12.5],
      ["memory_available_bytes", "", 2 ** 30],
      ["filesystem_avail_bytes", 'mountpoint="/oem"', 3e9],
      ["filesystem_readonly", 'mountpoint="/usr/local"', 1],
    ] as const) {
      assert.equal(valueOf(found, name, labels), value, `${name} ${labels}`);
    }
  });

  test("escape what a label may not have", () => {
    const [[labels, value]] = [...families(full).get("petrify_health_check_ok")!.samples] as [[string, number]];
    assert.deepEqual([labels, value], [String.raw`check="say \"no\" \\ \n"`, 0]);
  });

  test("leave out what nobody knows", () => {
    const found = families(fakeStatus, NOTHING);
    for (const name of ["operation_percent", "config_generation", "drift", "load1", "memory_total_bytes", "alarm", "boot_next"])
      assert.equal(found.get(`petrify_${name}`), undefined, name);
    assert.equal(valueOf(found, "operation_active"), 0);
    assert.equal(valueOf(found, "alarms"), 0);
  });

  test("a release that runs already is none that could be taken", () => {
    const running = { ...full, image: { ...full.image, digest: full.updates!.release!.image } };
    assert.equal(families(running).get("petrify_update_available"), undefined);
  });

  test("a sample is never there twice", () => {
    const metric: Metric = { name: "x", type: "gauge", help: "Any.", samples: [[1, { a: "b" }], [2, { a: "b" }], [3]] };
    assert.deepEqual(
      [
        ...parsed(metricsText([metric]))
          .get("x")!
          .samples.values(),
      ],
      [1, 3],
    );
  });
});

test("each is explained", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/concepts/metrics.md"), "utf8");
  const explained = Array.from(text.matchAll(/^\| (`[^|]+`) \|/gm)).flatMap(([, names]) => names!.match(/[a-z0-9_]+/g)!);
  const names = [...families(full).keys()].map((name) => name.replace("petrify_", ""));
  assert.deepEqual(explained.toSorted(), names.toSorted());
});

test("the dashboard of Grafana asks for metrics and labels that there are", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/grafana/petrify.json"), "utf8");
  const { panels } = JSON.parse(text) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  };
  const found = families(full);
  const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  assert.ok(asked.length >= 20);
  for (const expr of asked) {
    const names = Array.from(expr.matchAll(/(petrify_[a-z0-9_]+)\{([^}]*)\}/g));
    assert.ok(names.length > 0, expr);
    for (const [, name, matchers] of names) {
      const family = found.get(name!);
      assert.ok(family, `${name}: ${expr}`);
      const [labels] = [...family.samples.keys()];
      for (const [, label] of matchers!.matchAll(/([a-z_]+)=~?"/g))
        assert.ok(label === "instance" || labels!.includes(`${label}="`), `${name} has no ${label}`);
    }
  }
});
