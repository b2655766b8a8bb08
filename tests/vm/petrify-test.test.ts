import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { suite, test } from "node:test";
import type { CaseResult } from "../../src/cli/image-test/cases.ts";
import type { TestReport } from "../../src/cli/image-test/report.ts";
import { CACHE, petrify, workspace, type CliRun } from "../support/cli.ts";
import { linkOrCopy } from "../support/link-or-copy.ts";
import { takeCore } from "../support/turns.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { ENDPOINT, FAILING } from "./harness/trial.ts";

const TIME_LIMIT = ["--timeout", "20min"];

const reportOf = ({ events, stderr }: CliRun): TestReport => {
  const result = events.find(({ type }) => type === "result");
  assert.ok(result, `${stderr}${JSON.stringify(events.at(-1))}`);
  return result["value"] as TestReport;
};
const outcomes = ({ cases }: TestReport): string[] => cases.map(({ name, outcome }) => `${name} ${outcome}`);
const failedIn = ({ cases }: TestReport): Extract<CaseResult, { outcome: "failed" }> => {
  const failed = cases.find((one) => one.outcome === "failed");
  assert.ok(failed, JSON.stringify(cases));
  return failed;
};

suite("petrify test", { concurrency: 2 }, () => {
  test("cuts off each boot of an upgrade, and sees the machine go back by itself", { skip: inTurn(1) }, async () => {
    const { image, slotB } = await fixture(FAILING); // the new image would not become healthy anyway: it is not meant to
    await using _ = await takeCore();
    const args = ["test", slotB, "--from", image, "--case", "fallback", "--json", ...TIME_LIMIT];
    const ran = await petrify(args, { cwd: "/" });
    const report = reportOf(ran);
    assert.deepEqual(outcomes(report), ["boot passed", "fallback passed"], JSON.stringify(report.cases));
    const [, last] = report.cases as readonly Extract<CaseResult, { outcome: "passed" }>[];
    assert.match(last!.says, /^slot a runs again after 3 failed boots of slot b: it ended /);
    assert.equal(ran.exitCode, 0);
  });

  test(
    "fails an image that is not healthy in time with the reason, its log and the console, in JUnit's words as well",
    { skip: !FULL },
    async () => {
      const { image, slotB } = await fixture(FAILING);
      await using at = await workspace();
      await using _ = await takeCore();
      const junit = join(at.folder, "reports/junit.xml");
      const args = ["test", slotB, "--from", image, "--junit", "reports/junit.xml", "--json", ...TIME_LIMIT];
      const ran = await petrify(args, { cwd: at.folder });
      const report = reportOf(ran);
      assert.deepEqual(outcomes(report), ["boot passed", "upgrade failed", "rollback skipped", "fallback skipped"]);
      const { reason, log, console } = failedIn(report);
      assert.match(reason, new RegExp(`${ENDPOINT}: refuses connections`));
      assert.equal(log?.source, "journal");
      assert.match(log.text, /slot b is not healthy, and restarts/);
      assert.match(console, /slot b is not healthy, and restarts/);
      assert.deepEqual([ran.exitCode, ran.events.at(-1)!["code"]], [1, "TEST_FAILED"]);
      const xml = await readFile(junit, "utf8");
      assert.match(xml, /<testsuite name="petrify-test [^"]+" tests="4" failures="1" errors="0" skipped="2"/);
      assert.match(xml, /<failure message="[^"]*refuses connections/);
    },
  );

  test("leaves nothing behind when it is interrupted, and no report", { skip: inTurn(3) }, async () => {
    const made = await fixture();
    await using at = await workspace();
    await using user = await workspace();
    const image = join(at.folder, basename(made.image)); // no other test's machine has this path
    await linkOrCopy(made.image, image);
    await using _ = await takeCore();
    const { exitCode, events } = await petrify(["test", image, "--junit", "junit.xml", "--json"], {
      cwd: user.folder,
      onEvent: (event, interrupt) => {
        if (event["state"] === "started" && String(event["step"]).startsWith("boot")) interrupt();
      },
    });
    assert.deepEqual([exitCode, events.at(-1)!["code"]], [130, "INTERRUPTED"]);
    assert.deepEqual(await readdir(user.folder), []);
    assert.deepEqual(await processesWith(image), []);
    const work = (await readdir(join(CACHE, "vm"))).filter((name) => /^\d+-/.test(name));
    const alive = await Promise.all(
      work.map(async (name) => await readlink(`/proc/${name.split("-")[0]}/exe`).catch(() => undefined)),
    );
    assert.ok(alive.every(Boolean), work.join(" "));
  });

  test("takes an image to itself through every case, on UEFI", { skip: !FULL }, async () => {
    const { image } = await fixture();
    await using _ = await takeCore();
    const ran = await petrify(["test", image, "--uefi", "--json", ...TIME_LIMIT], { cwd: "/" });
    const report = reportOf(ran);
    const passed = ["boot passed", "upgrade passed", "rollback passed", "fallback passed"];
    assert.deepEqual(outcomes(report), passed, JSON.stringify(report.cases));
    assert.equal(ran.exitCode, 0);
  });
});

/** Command lines that have this path. */
async function processesWith(path: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(path));
}
