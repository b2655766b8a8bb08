import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentStatus } from "./status.ts";
import { statusText } from "./status-text.ts";

const status: AgentStatus = {
  at: 1_000_000,
  machine: { id: "9b4e", hostname: "edge-7" },
  fingerprint: "SHA256:AbC+/1",
  image: { name: "edge", version: "1.4.0", digest: "595e0e9b3924aaaa", rootHash: "00" },
  running: "a",
  role: "active",
  state: "proven",
  slots: {
    a: { role: "active", state: "proven", tries: 6, digest: "595e0e9b3924aaaa", scrub: { at: 1_000_000 - 12 * 86_400 } },
    b: {
      role: "passive",
      state: "bad",
      tries: 0,
      digest: "60c16ce1aa94bbbb",
      scrub: { at: 1_000_000 - 100, damage: "block 7 is not what it was" },
    },
  },
  next: "recovery",
  health: {
    is: "unhealthy",
    checks: [
      { name: "boot", ok: true },
      { name: "web", ok: false, reason: "connection refused" },
    ],
  },
  degraded: [],
  alarms: [{ code: "UNHEALTHY", message: "this machine is not healthy: web: connection refused" }],
  failedBoots: [
    {
      ...{ id: "1", slot: "b", version: "1.5.0", at: 1_000_000 - 7300, healthy: false },
      end: { how: "unhealthy", reason: "web: connection refused", log: { source: "journal", text: "one\ntwo" } },
    },
    {
      slot: "b",
      version: "",
      at: 1_000_000 - 60,
      healthy: false,
      end: { how: "unseen", reason: "it ended", log: { source: "none", text: "no log: it died" } },
    },
  ],
  boot: { id: "x", since: 900_000, uptime: 260_000 },
  verifying: { what: "recovery", percent: 40 },
  agent: { pid: 1, startedAfter: 3 },
};

test("a machine in trouble says all of it, one thing a line", () => {
  assert.equal(
    statusText(status),
    `machine   edge-7 9b4e
key       SHA256:AbC+/1
image     edge 1.4.0
          sha256:595e0e9b3924aaaa
running   slot a (active, proven), for 3 d
slots     a  active   proven  6 tries  595e0e9b3924  verified 12 d ago
          b  passive  bad     0 tries  60c16ce1aa94  DAMAGED: block 7 is not what it was
next      recovery, once
health    unhealthy
          web: connection refused
verifying recovery, 40 %
alarms    this machine is not healthy: web: connection refused
failed    slot b (1.5.0), 2 h ago: web: connection refused
            from its journal:
            | one
            | two
          slot b, 60 s ago: it ended
          no log: it died`,
  );
});

test("an installation is one line: how far it is, or why it has failed", () => {
  const text = (installation: AgentStatus["installation"]): string =>
    statusText({ ...status, ...(installation ? { installation } : {}) });
  const on = { disk: "/dev/vda", after: "reboot" } as const;
  assert.match(text({ ...on, is: "running", text: "writing", percent: 12 }), /^install {3}to \/dev\/vda: writing, 12 %$/m);
  assert.match(text({ ...on, is: "failed", text: "no room" }), /^install {3}to \/dev\/vda: has failed: no room$/m);
});

test("the keys that a machine trusts have a line each, and which of them count", () => {
  const [one, two, three] = ["1", "2", "3"].map((digit) => digit.repeat(64)) as [string, string, string];
  const trust = { epoch: 4, keys: [{ id: one, revoked: 9 }, { id: two }, { id: three, notBefore: 2_000_000 }] };
  assert.match(
    statusText({ ...status, trust }),
    /^trusts {4}1{12} REVOKED \(epoch 4\)\n {10}2{12}\n {10}3{12} from 1970-01-24 on\nrunning/m,
  );
});

test("what came of the stages is one line, and each step that failed is said", () => {
  const step = (name: string, is: "done" | "failed" | "skipped", why?: string) => ({ name, is, tookMs: 1, ...(why && { why }) });
  const run = { run: "boot", at: 1, tookMs: 5, ended: true, problems: [] } as const;
  const text = (stages: AgentStatus["stages"]): string => statusText({ ...status, ...(stages ? { stages } : {}) });
  const fine = { ...run, stages: [{ name: "boot", failed: false, steps: [step("a", "done")] }] };
  assert.match(
    text([fine, { run: "network", at: 1, tookMs: 0, stages: [], problems: [] }]),
    /^stages {4}boot, network \(runs\)\nrunning/m,
  );
  const steps = [step("a", "failed", "its command exited with status 1"), step("b", "skipped", "the stage ended with a")];
  assert.match(
    text([{ ...run, stages: [{ name: "boot.after", failed: true, steps }], problems: ["one"] }]),
    /^stages {4}boot: 3 problems\n {10}one\n {10}boot\.after: a failed: its command .* 1\n {10}boot\.after: b was not run: the .*\nrunning/m,
  );
  const many = Array.from({ length: 10 }, (_, index) => step(String(index), "failed", "x"));
  assert.match(text([{ ...run, stages: [{ name: "boot", failed: true, steps: many }] }]), /and 2 more: see --json\nrunning/);
  assert.doesNotMatch(text(undefined), /^stages/m);
});

test("where a machine is not as its config says is told, and of what was mended only what is left", () => {
  const report = { at: status.at - 120, generation: 1, mode: "mend", found: ["/etc/a has other content", "user ada"] } as const;
  const text = (drift: AgentStatus["drift"]): string => statusText({ ...status, ...(drift ? { drift } : {}) });
  assert.match(
    text(report),
    /^drift {5}2 not as the config says, 2 min ago\n {10}\/etc\/a has other content\n {10}user ada\nrunning/m,
  );
  assert.match(text({ ...report, left: ["user ada"] }), /^drift {5}2 found, 1 not mended, 2 min ago\n {10}user ada\nrunning/m);
  assert.doesNotMatch(text({ ...report, found: [] }), /^drift/m);
});

test("kernel arguments are told, whether they are on trial, and which config was given back because of them", () => {
  const text = (config: Partial<NonNullable<AgentStatus["config"]>>): string =>
    statusText({ ...status, config: { generation: 12, trial: false, notes: [], ...config } });
  const args = { append: ["quiet", "x=1"], remove: ["console=tty0"] };
  assert.match(text({ kernelArgs: { ...args, is: "kept" } }), /^ {10}kernel arguments: quiet x=1 without console=tty0$/m);
  assert.match(
    text({ kernelArgs: { append: [], remove: [], is: "waits", generation: 13 } }),
    /^ {10}kernel arguments: none \(of generation 13, tried by the next boot\)$/m,
  );
  assert.match(text({ trial: true, kernelArgs: { ...args, is: "runs", generation: 13 } }), /console=tty0 \(on trial\)$/m);
  const refused = { generation: 13, at: status.at - 120, reason: "not healthy: web" };
  assert.match(text({ refused }), /^ {10}generation 13 was given back 2 min ago: not healthy: web$/m);
});

test("what a machine has of its config is one line, and what it has not of it is said", () => {
  const text = (config: AgentStatus["config"]): string => statusText({ ...status, ...(config ? { config } : {}) });
  assert.match(text({ generation: 12, trial: false, notes: [] }), /^config {4}generation 12\nrunning/m);
  assert.match(text({ trial: false, notes: [] }), /^config {4}none\nrunning/m);
  assert.match(
    text({ generation: 13, trial: true, notes: ["one", "two"] }),
    /^config {4}generation 13 \(on trial, 2 notes\)\n {10}one\n {10}two\nrunning/m,
  );
  const live = { generation: 14, trial: true, until: status.at + 40, notes: [] };
  assert.match(text(live), /^config {4}generation 14 \(on trial, given back in 40 s\)\nrunning/m);
  assert.doesNotMatch(text(undefined), /^config/m);
});

test("a machine without trouble is short", () => {
  const { next: _, verifying: __, ...calm } = status;
  const text = statusText({
    ...calm,
    health: { is: "healthy", checks: [] },
    alarms: [],
    failedBoots: [],
    running: "ram",
    role: "memory",
    state: "memory",
  });
  assert.match(text, /^running {3}memory, for 3 d$/m);
  assert.match(text, /^health {4}healthy\nalarms {4}none\nfailed {4}no boot$/m);
});

test("a machine in recovery says what it waits for, for how long, and what its slots were found to be", () => {
  const text = statusText({
    ...status,
    ...{ running: "recovery", role: "recovery", state: "recovery", boot: { ...status.boot, uptime: 120 } },
    recovery: {
      ...{ is: "wait", text: "waits until 5min after the start of this boot, then verifies the slots (attempt 3)", until: 300 },
      ...{ attempts: 2, slots: { a: "whole", b: "damaged: block 7 is not what it was" } },
    },
  });
  const wanted = `
recovery  waits until 5min after the start of this boot, then verifies the slots (attempt 3): in 3 min
          attempts since a slot was last healthy: 2
          slot a: whole
          slot b: damaged: block 7 is not what it was
verifying`;
  assert.ok(text.includes(wanted), text);
});

test("a machine that keeps itself current says what it does for that, or why nothing", () => {
  const none = { lookFailures: 0, failures: 0, left: 0, isPaused: false } as const;
  const text = (updates: AgentStatus["updates"]): string => statusText({ ...status, ...(updates && { updates }) });
  assert.match(
    text({ ...none, step: "nothing", because: "paused", why: "1.5.0: paused by alice" }),
    /^updates {3}paused: 1\.5\.0: paused by alice\nrunning/m,
  );
  assert.match(text({ ...none, step: "download", why: "1.5.0 is there" }), /^updates {3}download: 1\.5\.0 is there\n/m);
  assert.doesNotMatch(text({ ...none, step: "nothing" }), /^updates/m);
});
