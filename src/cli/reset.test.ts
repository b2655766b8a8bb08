import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, suite, test } from "node:test";
import { resetPlan } from "../agent/reset.ts";
import type { ResetRequest } from "../agent/reset-loop.ts";
import { AppError } from "../core/error.ts";
import { scriptedRun } from "../host/run.ts";
import type { ImageSummary } from "../layout/operation.ts";
import { humanOutput, jsonOutput } from "./output.ts";
import { resetMachine, type ResetOptions } from "./reset.ts";

const IMAGE: ImageSummary = { name: "edge", version: "0.9", digest: "ab".repeat(32), size: 100_000_000 };
const NEW: ImageSummary = { ...IMAGE, version: "1.2.0" };
let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "petrify-reset-"));
  for (const folder of ["home/anna", "home/bob", "oem/petrify", "oem/identity", "opt"])
    await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, "oem/machine.yaml"), "");
});
after(async () => await rm(root, { recursive: true }));

interface Ran {
  readonly out: string;
  readonly err: string;
  /** Calls of the agent that change something. */
  readonly asked: readonly string[];
  readonly error?: unknown;
}
/** @param typed what a terminal answers; default: none is there */
async function ran(
  options: ResetOptions,
  { typed, json = false, outcome = "succeeded" }: { typed?: string; json?: boolean; outcome?: string } = {},
): Promise<Ran> {
  let [out, err, error]: [string, string, unknown] = ["", "", undefined];
  const asked: string[] = [];
  const sinks = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), columns: () => 0 };
  const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
  input.end(typed);
  const answers: Readonly<Record<string, (body: object) => readonly object[]>> = {
    "/upgrade/plan": () => [{ image: { image: NEW } }],
    "/reset/plan": (body) => {
      const used = { oem: { used: 2_000_000, size: 100_000_000 }, persistent: { used: 50_000_000, size: 900_000_000 } };
      return [resetPlan(body as ResetRequest, { machine: { id: "00", hostname: "edge-7" }, image: IMAGE, used })];
    },
    "/upgrade": () => [
      { now: { at: "writing", text: "writing recovery 2" } },
      { ended: { outcome, target: "recovery 2", reason: "it is damaged" } },
    ],
    "/reset": () => [{ now: { text: "verifying recovery, edge 0.9" } }, { restarting: "a reset was asked for" }],
  };
  const context = {
    ...{ root, cwd: "/tmp", json, input: input as unknown as NodeJS.ReadStream, sinks, endWith: () => {}, clock: () => 0 },
    ...{ run: scriptedRun({}).run, signal: new AbortController().signal, output: json ? jsonOutput(sinks) : humanOutput(sinks) },
  };
  try {
    await resetMachine(context, options, async function* (_method, path, _signal, body) {
      await Promise.resolve();
      if (!path.endsWith("/plan")) asked.push(`${path} ${JSON.stringify(body)}`);
      yield* answers[path]!(body);
    });
  } catch (caught) {
    error = caught;
  }
  return { out, err, asked, ...(error === undefined ? {} : { error }) };
}
const codeOf = ({ error }: Ran): string | undefined => (error instanceof AppError ? error.code : undefined);
const RESET = '/reset {"keep":[],"erase":false,"after":"reboot"}';

suite("petrify reset", () => {
  test("--dry-run says what goes, what stays and how long it takes, and asks the agent for nothing", async () => {
    const { out, asked, error } = await ran({ dryRun: true, keep: ["identity"] });
    assert.deepEqual([asked, error], [[], undefined]);
    assert.equal(
      out,
      `machine   edge-7 00
image     edge 0.9 for both slots, from recovery
          sha256:${IMAGE.digest}
wipes     data: the persistent partition, 47.7 MiB used of 858.3 MiB: /usr/local, homes, logs, every persistent path
            /home/anna
            /home/bob
          config: /oem (1.9 MiB used of 95.4 MiB) but for the machine's identity
            /oem/machine.yaml
          history: boots, operations and findings that the agent remembers, but for this reset
keeps     identity: machine-id, GUIDs of the disk, SSH host keys, node key: the next boot is a first boot
steps     1. verifying recovery, and restarting into it
          2. verifying recovery's own image
          3. taking both slots out of the boot record
          4. making the persistent partition anew
          5. emptying the oem partition, but for the identity
          6. forgetting the last words of boots that failed
          7. looking at the state partition
          8. writing slot a from recovery's own image
          9. verifying slot a
          10. writing slot b from recovery's own image
          11. verifying slot b
          12. making slot a the active one, and both on trial
          13. restarting into slot a
takes     about 90s: 476.8 MiB to read and write, and two boots
`,
    );
  });

  test("asks for the machine's name, and for nothing less", async () => {
    for (const typed of ["yes\n", "edge\n", "", "EDGE-7\n"]) {
      const refused = await ran({}, { typed });
      assert.deepEqual([codeOf(refused), refused.asked], ["CONFIRMATION_MISSING", []], typed);
    }
    const done = await ran({}, { typed: "edge-7\n" });
    assert.deepEqual([done.error, done.asked], [undefined, [RESET]]);
    assert.match(done.err, /\/home\/anna[^]*This cannot be taken back\. Type edge-7 to go on: /);
    assert.match(
      done.out,
      /^The machine restarts into recovery, which resets it; then the machine boots as at its first time\.$/m,
    );
  });

  test("does nothing where there is nobody to ask, nor with --json, but for --yes", async () => {
    for (const how of [{}, { typed: "edge-7\n", json: true }]) assert.equal(codeOf(await ran({}, how)), "CONFIRMATION_MISSING");
    const { out, asked } = await ran({ yes: true, erase: true, after: "poweroff" }, { json: true });
    assert.deepEqual(asked, ['/reset {"keep":[],"erase":true,"after":"poweroff"}']);
    const last = JSON.parse(out.trim().split("\n").at(-1)!) as {
      value: { changed: boolean; restarting: string; wipes: object[] };
    };
    assert.deepEqual([last.value.changed, last.value.restarting, last.value.wipes.length], [true, "a reset was asked for", 4]);
  });

  test("brings an image to recovery first, and resets only when that is done", async () => {
    const source = '{"is":"file","path":"/tmp/new.img"}';
    const upgrade = `/upgrade {"source":${source},"recovery":true,"force":false,"restart":false}`;
    const plan = await ran({ image: "new.img", dryRun: true });
    assert.match(plan.out, /^image +edge 1\.2\.0 for both slots, which comes to recovery first$/m);
    assert.deepEqual(plan.asked, []);
    const done = await ran({ image: "new.img", yes: true });
    assert.deepEqual([done.error, done.asked], [undefined, [upgrade, RESET]]);
    const failed = await ran({ image: "new.img", yes: true }, { outcome: "failed" });
    assert.deepEqual([codeOf(failed), failed.asked], ["OPERATION_FAILED", [upgrade]]);
  });
});
