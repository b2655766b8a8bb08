import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError } from "../../host/run.ts";
import type { StageRun } from "../../layout/stage-results.ts";
import { stageControl } from "./stage-control.ts";

const never = new AbortController().signal;
const step = (is: "done" | "failed") => ({ name: "a", is, tookMs: 1, ...(is === "failed" && { why: "no" }) }) as const;
const result = (is: "done" | "failed", failed: boolean, about: Partial<StageRun> = {}): StageRun => ({
  ...{ run: "before-upgrade", at: 100, tookMs: 1, ended: true, problems: [] },
  stages: [{ name: "before-upgrade", failed, steps: [step(is)] }],
  ...about,
});

const CASES: readonly (readonly [what: string, found: readonly StageRun[], fails: RegExp | undefined, marked?: boolean])[] = [
  ["one that the config has not is not run", [], undefined, false],
  ["one that is done", [result("done", false)], undefined],
  ["one whose step may fail", [result("failed", false)], undefined],
  ["one whose step may not fail", [result("failed", true)], /before-upgrade has failed|before-upgrade: a failed: no/],
  ["one that was cut off", [{ ...result("done", false), ended: undefined } as unknown as StageRun], /did not end/],
  ["one that has left nothing but an older result", [result("done", false, { at: 99 })], /did not end/],
];
for (const [what, found, fails, marked = true] of CASES) {
  for (const kind of ["systemd", "openrc"] as const) {
    test(`a stage is started with ${kind}: ${what}`, async () => {
      const ran: string[] = [];
      const control = stageControl({
        ...{ init: { kind }, program: ["node", "stage.mjs"], runs: () => found, drift: () => undefined, now: () => 100.5 },
        exists: async (path) => await Promise.resolve(marked && path === "/run/petrify/stage-before-upgrade"),
        run: async (argv) => {
          ran.push(argv.join(" "));
          return await Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
        },
      });
      const started = control.start("before-upgrade", never);
      if (fails) await assert.rejects(started, { code: "STAGE_FAILED", message: fails });
      else await started;
      const line = kind === "systemd" ? "systemctl start petrify-stage@before-upgrade.service" : "node stage.mjs before-upgrade";
      assert.deepEqual(ran, marked ? [line] : []);
    });
  }
}

test("once all of the config is known, the stages of the network are run by one that waits for their first run", async () => {
  const ran: string[] = [];
  const control = stageControl({
    ...{ init: { kind: "systemd" }, program: ["node"], drift: () => undefined, now: () => 100 },
    runs: () => [result("done", false, { run: "answered" })],
    exists: async (path) => await Promise.resolve(path === "/run/petrify/stage-network"),
    run: async (argv) => {
      ran.push(argv.join(" "));
      return await Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    },
  });
  await control.start("answered", never);
  assert.deepEqual(ran, ["systemctl start petrify-stage@answered.service"]);
});

test("one that cannot be started has failed", async () => {
  const control = stageControl({
    ...{
      init: { kind: "systemd" },
      program: ["node"],
      runs: () => [result("done", false)],
      drift: () => undefined,
      now: () => 100,
    },
    exists: async () => await Promise.resolve(true),
    run: async (argv) => await Promise.reject(new CommandError(argv, "exited with status 1")),
  });
  await assert.rejects(control.start("before-upgrade", never), { code: "STAGE_FAILED" });
});
