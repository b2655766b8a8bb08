import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { convertDisk, DISK_FORMATS } from "../../src/build/disk-format.ts";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { newestRecord, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS, type SlotRecord } from "../../src/layout/record.ts";
import { petrify, workspace, type CliRun } from "../support/cli.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

/** State of slot a, as the disk has it. */
function stateOnDisk(path: string): SlotRecord["state"] | undefined {
  using disk = openImage(path);
  const { start } = decodeGpt(disk.read, disk.size, 512).partitions.find(({ name }) => name === "record")!;
  const [one, other] = RECORD_COPY_OFFSETS.map((offset) => disk.read(start + offset, RECORD_BLOCK_SIZE));
  const { newest } = newestRecord([one, other]);
  return newest.is === "whole" ? newest.record.slots.a.state : undefined;
}

/** Processes that have a word of their command line in this folder: the sandbox and QEMU. */
async function processesOn(folder: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes("qemu-system-x86_64") && line.includes(folder));
}

/** At the console of a VM on a terminal, until it says this; then Ctrl-]. */
async function lookAt(args: readonly string[], env: NodeJS.ProcessEnv, until: RegExp): Promise<{ code: number; text: string }> {
  const command = [process.execPath, MAIN, "vm", ...args].join(" ");
  const terminal = spawn("/usr/bin/script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], {
    ...{ env, stdio: ["pipe", "pipe", "inherit"] },
  });
  let text = "";
  terminal.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const before = text;
    text += chunk;
    if (until.test(text) && !until.test(before)) terminal.stdin.write("\u001d");
  });
  const [code] = (await once(terminal, "close")) as [number];
  return { code, text };
}

test(
  "a VM with a name outlives its command and its terminal, keeps its disk, and leaves nothing behind",
  { skip: inTurn(0) },
  async () => {
    const { image } = await fixture();
    await using user = await workspace();
    const state = join(user.folder, "state");
    const env = { XDG_STATE_HOME: state };
    const vm = async (...args: string[]): Promise<CliRun> => await petrify(["vm", ...args, "--json"], { cwd: user.folder, env });
    const valueOf = ({ events, stdout, stderr }: CliRun): Readonly<Record<string, unknown>> => {
      const last = events.at(-1);
      assert.equal(last?.type, "result", stdout + stderr);
      return last["value"] as Record<string, unknown>;
    };
    const errorOf = ({ events, exitCode, stdout }: CliRun): unknown => {
      assert.equal(exitCode, 1, stdout);
      return events.at(-1)?.["code"];
    };
    const listed = async (): Promise<Readonly<Record<string, unknown>>> =>
      (valueOf(await vm("list"))["vms"] as Record<string, unknown>[])[0]!;
    const folder = join(state, "petrify/vms/web");
    const disk = join(folder, "disk.raw");

    // A port that nobody has now; it is taken first, to be refused.
    await using server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(async () => void (await vm("delete", "web", "--force"))); // also when the test fails

    const create = ["create", "web", image, "--memory", "512MiB", "--forward", `${port}:80`];
    const made = valueOf(await vm(...create));
    assert.deepEqual([made["changed"], made["folder"]], [true, folder]);
    assert.equal(valueOf(await vm(...create))["changed"], false);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(state, "petrify/vms-work")), []);
    assert.equal(stateOnDisk(disk), "trial");

    await using _ = await takeCore();
    assert.equal(errorOf(await vm("start", "web")), "PORT_IN_USE");
    assert.equal((await listed())["state"], "stopped");
    await server[Symbol.asyncDispose]();

    // The terminal is gone after this, and the VM is not.
    const seen = await lookAt(["start", "web", "--console"], { ...process.env, ...env }, /slot a \(rule 2/);
    assert.equal(seen.code, 0, seen.text);
    assert.match(seen.text, /the VM web goes on/);
    const healthy = valueOf(await vm("start", "web", "--wait"));
    assert.equal(healthy["changed"], false);
    const first = await listed();
    assert.deepEqual([first["state"], first["pid"]], ["running", healthy["pid"]]);
    assert.deepEqual(first["image"], { name: "petrify-test", version: "0.1.0" });
    assert.equal(errorOf(await vm("delete", "web")), "VM_RUNS");

    assert.equal(valueOf(await vm("stop", "web"))["changed"], true);
    assert.deepEqual(await processesOn(folder), []);
    const said = await readFile(join(folder, "console.log"), "utf8");
    assert.match(said, /reboot: Power down/);
    assert.equal(stateOnDisk(disk), "proven");

    // Again, and the process that it lives in is killed.
    const again = valueOf(await vm("start", "web"));
    assert.equal(again["changed"], true);
    assert.equal((await processesOn(folder)).length > 0, true);
    process.kill(again["pid"] as number, "SIGKILL");
    while ((await processesOn(folder)).length > 0); // the kernel ends QEMU
    assert.equal((await listed())["state"], "stopped");
    assert.equal(valueOf(await vm("start", "web"))["changed"], true);
    const third = await lookAt(["console", "web"], { ...process.env, ...env }, /slot a \(rule 2/);
    assert.equal(third.code, 0, third.text);
    assert.equal(stateOnDisk(disk), "proven");

    assert.equal(valueOf(await vm("delete", "web", "--force"))["changed"], true);
    assert.deepEqual(await processesOn(folder), []);
    assert.deepEqual(await readdir(join(state, "petrify/vms")), []);
  },
);

test("a disk of any form is copied, may become larger and not smaller, and has firmware variables of its own", async () => {
  const tools = await testTools();
  await using user = await workspace();
  const state = join(user.folder, "state");
  const raw = join(user.folder, "raw");
  const sector = new Uint8Array(512);
  sector.set([0x55, 0xaa], 510);
  await writeFile(raw, sector);
  await truncate(raw, 8 * MiB);
  const vm = async (...args: string[]): Promise<CliRun> =>
    await petrify(["vm", ...args, "--json"], { cwd: user.folder, env: { XDG_STATE_HOME: state } });
  for (const format of DISK_FORMATS) {
    const source = join(user.folder, `source.${format}`);
    await writeFile(source, "");
    await convertDisk(tools, raw, format, source);
    const refused = await vm("create", format, source, "--disk-size", "4MiB");
    assert.equal(refused.events.at(-1)?.["code"], "DISK_TOO_SMALL", refused.stdout);
    const made = await vm("create", format, source, "--disk-size", "32MiB", "--uefi");
    assert.equal(made.exitCode, 0, made.stdout);
    await rm(source); // the VM does not need it
    const kept = format === "raw" ? "raw" : "qcow2";
    const folder = join(state, "petrify/vms", format);
    const disk = join(folder, `disk.${kept}`);
    assert.deepEqual((await readdir(folder)).toSorted(), [`disk.${kept}`, "firmware-variables.fd", "vm.json"]);
    const info = await tools.run(["qemu-img", "info", "--output=json", "-f", kept, disk], { binds: [{ source: disk }] });
    const { "virtual-size": size, "backing-filename": below } = JSON.parse(info.stdout) as Record<string, unknown>;
    assert.deepEqual([size, below], [32 * MiB, undefined]);
    const back = join(user.folder, "back");
    const inFolder = { binds: [{ source: disk }, { source: user.folder, writable: true }] };
    await tools.run(["qemu-img", "convert", "-f", kept, "-O", "raw", disk, back], inFolder);
    assert.deepEqual(new Uint8Array(await readFile(back)).subarray(0, 512), sector);
  }
  const left = await readdir(join(state, "petrify/vms-work"));
  assert.deepEqual(left, []);
});
