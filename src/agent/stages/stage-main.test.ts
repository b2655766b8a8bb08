/** The program itself, with a `/run` of its own: programs are started, files are written, and a boot follows another one. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "../../../tests/support/compile-cases.ts";
import type { StagePlan } from "../../config/machine/compile/stage-plan.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { run, type RunResult } from "../../host/run.ts";
import { encodeRunConfig, NO_RUN_CONFIG } from "../../layout/run-config.ts";
import { parseStageRun, type StageRun } from "../../layout/stage-results.ts";
import { generationFiles } from "../config/generation-files.ts";
import { fakeStageStep } from "./fake-stage-ports.ts";

const MAIN = join(import.meta.dirname, "../stage-main.ts");
const isRoot = process.getuid!() === 0;

/** A boot of a machine whose `/run` is kept, so that its memory is its disk. */
async function stage(folder: string, name: string): Promise<RunResult & { readonly found: StageRun }> {
  const script = 'mount --bind "$1" /run && shift && exec "$@"';
  const argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", folder] as const;
  const result = await run([...argv, process.execPath, "--disable-warning=ExperimentalWarning", MAIN, name], { okExit: [0, 1] });
  return { ...result, found: parseStageRun(await readFile(join(folder, `petrify/stages/${name}.json`), "utf8"))! };
}

/** @param awaits the config is not known as a whole yet */
async function machineWith(folder: string, plan: Partial<StagePlan>, awaits = false): Promise<void> {
  for (const name of ["petrify", "systemd/system"]) await mkdir(join(folder, name), { recursive: true });
  const facts = { format: 1, slot: "ram", file: "", rootHash: "", partitions: {}, notes: [], reached: {} };
  await writeFile(join(folder, "petrify/boot.json"), JSON.stringify(facts));
  const store = await openGenerationStore(join(folder, "petrify/generations"));
  const { unsupported: _unsupported, notes: _notes, ...compiled } = compile({});
  const files = generationFiles({
    compiled: { ...compiled, plan: { ...compiled.plan, ...plan } },
    documents: [],
    about: { at: 1, problems: [], ...(awaits ? { awaits } : {}) },
  });
  const generation = await store.add(files);
  await writeFile(join(folder, "petrify/config.json"), encodeRunConfig({ ...NO_RUN_CONFIG, generation }));
}

test("stages of a boot are run by their program, and what was done once is not done at the next", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stages-"));
  const shell = (name: string, line: string, about = {}) => fakeStageStep(name, { commands: [line], ...about });
  await machineWith(dir.path, {
    stages: {
      "boot.before": [shell("says", 'echo "$GREETING $OWN $PETRIFY_STEP" | tee /run/said', { environment: { OWN: "you" } })],
      boot: [
        shell("second", "echo 2 >>/run/order", { after: ["first"] }),
        shell("first", "echo 1 >>/run/order"),
        shell("fails", "echo broken >&2; exit 3"),
        shell("after it", "echo never >>/run/order"),
      ],
    },
    once: { disks: [], fileSystems: [], mounts: [], commands: ["echo once >>/run/once", ["false"], "echo and >>/run/once"] },
    environment: { GREETING: "hello" },
  });
  const boot = await stage(dir.path, "boot");
  assert.equal(await readFile(join(dir.path, "said"), "utf8"), "hello you says\n");
  assert.equal(await readFile(join(dir.path, "order"), "utf8"), "1\n2\n");
  assert.equal(boot.exitCode, 1);
  assert.equal(boot.found.ended, true);
  assert.deepEqual(
    boot.found.stages.flatMap(({ steps }) => steps.map(({ name, is }) => `${name} ${is}`)),
    ["says done", "first done", "second done", "fails failed", "after it skipped"],
  );
  assert.match(boot.stdout, /^<6>says: hello you says$/m);
  assert.match(boot.stderr, /^<3> {2}failed: fails: its command exited with status 3: broken$/m);

  for (const is of ["failed", "failed"] as const) {
    const network = await stage(dir.path, "network");
    assert.equal(await readFile(join(dir.path, "once"), "utf8"), "once\nand\n");
    assert.equal(network.exitCode, 0);
    assert.equal(network.found.stages[0]!.steps[0]!.is, is);
    assert.match(network.found.stages[0]!.steps[0]!.why!, /^command 2 of 3 exited with status 1/);
  }
});

test("when a config is applied, files of all stages are written, and nothing else is done", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stages-"));
  const server = createServer((_request, response) => response.end("fetched"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const file = { path: "/run/app/fetched", when: "run", url, mode: 0o640, owner: "0:0", append: false } as const;
    await machineWith(dir.path, {
      stages: {
        "fs.before": [fakeStageStep("bootcmd", { own: true, commands: ["touch /run/never"] })],
        boot: [fakeStageStep("step", { commands: ["touch /run/never"] })],
        network: [
          fakeStageStep("write_files /run/app/fetched", { own: true, fetched: [file] }),
          fakeStageStep("write_files /run/app/other", {
            own: true,
            onError: "continue",
            fetched: [{ ...file, path: "/run/app/other", sha256: "0".repeat(64) }],
          }),
        ],
      },
      once: { disks: [], fileSystems: [], mounts: [], commands: ["touch /run/never"] },
    });
    const { found } = await stage(dir.path, "apply");
    assert.deepEqual(
      found.stages.flatMap(({ steps }) => steps.map(({ name, is }) => `${name} ${is}`)),
      ["write_files /run/app/fetched done", "write_files /run/app/other failed"],
    );
    assert.match(found.stages[0]!.steps[1]!.why!, /is another file: its SHA-256 is/);
    assert.equal(await readFile(join(dir.path, "app/fetched"), "utf8"), "fetched");
    assert.equal((await stat(join(dir.path, "app/fetched"))).mode & 0o777, 0o640);
    assert.deepEqual(await readdir(join(dir.path, "app")), ["fetched"]);
    assert.equal((await readdir(dir.path)).includes("never"), false);
  } finally {
    server.close();
  }
});

test("what is done once waits until all of the config is known, and is done once then", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stages-"));
  const plan = {
    stages: { network: [fakeStageStep("step", { commands: ["echo step >>/run/ran"] })] },
    once: { disks: [], fileSystems: [], mounts: [], commands: ["echo once >>/run/ran"] },
  };
  const ran = async (): Promise<string> => await readFile(join(dir.path, "ran"), "utf8");
  await machineWith(dir.path, plan, true);
  await stage(dir.path, "network");
  assert.equal(await ran(), "step\n");
  await machineWith(dir.path, plan);
  await stage(dir.path, "answered");
  assert.equal(await ran(), "step\nstep\nonce\n");
  await stage(dir.path, "network");
  assert.equal(await ran(), "step\nstep\nonce\nstep\n");
});

test("a program that is ended leaves what it was at, and goes on from there", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stages-"));
  // The command ends the stage that runs it, as a restart of the machine does; what comes after it is for the next boot.
  const commands = ["echo 1 >>/run/once", "kill -TERM $PPID; sleep 60", "echo 3 >>/run/once"];
  await machineWith(dir.path, { once: { disks: [], fileSystems: [], mounts: [], commands } });
  const first = await stage(dir.path, "network");
  assert.match(first.found.stages[0]!.steps[0]!.why!, /the machine stops after 2 of 3 commands/);
  const second = await stage(dir.path, "network");
  assert.equal(second.found.stages[0]!.steps[0]!.is, "done");
  assert.equal(await readFile(join(dir.path, "once"), "utf8"), "1\n3\n");
});
