import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CONFIG_LAY_PATH, NO_RUN_CONFIG, parseConfigData, RUN_CONFIG_PATH } from "../layout/run-config.ts";
import { configMachine } from "./config-machine.ts";
import type { Run } from "./run.ts";

const root = await mkdtemp(join(tmpdir(), "petrify-machine-"));
after(async () => await rm(root, { recursive: true }));
await mkdir(join(root, "run/petrify"), { recursive: true });
const never: Run = async () => await Promise.reject(new Error("nothing is run"));

test("what runs, and what is half laid, is what was said last, and only root reads it", async () => {
  const machine = configMachine(never, root);
  assert.deepEqual(await machine.running(), NO_RUN_CONFIG);
  assert.equal(await machine.half(), undefined);
  const now = { ...NO_RUN_CONFIG, generation: 3 };
  await machine.nowRuns(now);
  await machine.nowLaying(4);
  assert.deepEqual([await machine.running(), await machine.half()], [now, 4]);
  assert.equal((await stat(join(root, RUN_CONFIG_PATH))).mode & 0o777, 0o600);
  await machine.nowLaying(undefined);
  await machine.nowLaying(undefined);
  assert.equal(await machine.half(), undefined);
});

test("runs of stages that have something to do are marked, those that have nothing any more are not", async () => {
  const marks = async (): Promise<string[]> =>
    (await readdir(join(root, "run/petrify"))).filter((one) => one.startsWith("stage-")).toSorted();
  const machine = configMachine(never, root);
  await machine.nowRuns({ ...NO_RUN_CONFIG, stages: ["fs.before", "fs", "before-upgrade"] });
  assert.deepEqual(await marks(), ["stage-before-upgrade", "stage-fs"]);
  await machine.nowRuns({ ...NO_RUN_CONFIG, stages: ["network.after"] });
  assert.deepEqual(await marks(), ["stage-network"]);
});

test("what is laid is in a file that only root reads while it is laid, and gone afterwards, also where that fails", async () => {
  const at = join(root, CONFIG_LAY_PATH);
  const seen: unknown[] = [];
  const run: Run = async (argv) => {
    seen.push(argv, (await stat(at)).mode & 0o777, parseConfigData(await readFile(at, "utf8")));
    return { exitCode: 0, stdout: '["a note"]\n', stderr: "" };
  };
  const data = { homes: [], entries: [] };
  assert.deepEqual(await configMachine(run, root).lay(data), ["a note"]);
  assert.deepEqual(seen, [["/usr/lib/petrify/petrify-early", "lay", CONFIG_LAY_PATH], 0o600, data]);
  await assert.rejects(configMachine(never, root).lay(data), /nothing is run/);
  await assert.rejects(stat(at), { code: "ENOENT" });
});

test("a folder goes only where nothing is in it", async () => {
  const machine = configMachine(never, root);
  await mkdir(join(root, "full"));
  await mkdir(join(root, "empty"));
  await writeFile(join(root, "full/file"), "");
  for (const path of ["/full", "/empty", "/none"]) await machine.removeEmptyFolder(path);
  await assert.rejects(stat(join(root, "empty")), { code: "ENOENT" });
  assert.ok((await stat(join(root, "full/file"))).isFile());
});
