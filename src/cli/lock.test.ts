import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../host/run.ts";
import { readRestartLocks } from "../host/restart-locks.ts";
import { LONGEST_LOCK } from "../layout/restart-lock.ts";
import { runOnNode } from "./node-testing.ts";

async function machine(uptime = 1000): Promise<
  {
    readonly root: string;
    readonly folder: string;
    readonly run: (...args: string[]) => ReturnType<typeof runOnNode>;
    readonly pass: (to: number) => Promise<void>;
  } & AsyncDisposable
> {
  const root = await mkdtemp(join(tmpdir(), "petrify-lock-"));
  await mkdir(join(root, "proc"));
  const pass = async (to: number): Promise<void> => await writeFile(join(root, "proc/uptime"), `${to}.25 7.0\n`);
  await pass(uptime);
  return {
    ...{ root, pass, folder: join(root, "run/petrify/locks") },
    run: async (...args) => await runOnNode(root, ["lock", ...args]),
    [Symbol.asyncDispose]: async () => await rm(root, { recursive: true }),
  };
}
const names = async (root: string): Promise<string[]> => (await readRestartLocks(root)).locks.map(({ name }) => name);

test("a lock holds until its time is over, by a clock that nobody sets, or until it is released", async () => {
  await using node = await machine();
  assert.deepEqual(await node.run(), { exitCode: 0, out: "No lock holds.\n", err: "" });
  const { exitCode, out } = await node.run("backup", "--ttl", "10min", "--reason", "nightly\nbackup");
  assert.deepEqual([exitCode, out], [0, "backup: holds for 10 min at the most.\n"]);
  assert.equal(await readFile(join(node.folder, "backup"), "utf8"), "1601 nightly backup\n");
  assert.equal((await node.run()).out, "backup  ends in 10 min  nightly backup\n");
  await node.pass(1599);
  assert.deepEqual(await names(node.root), ["backup"]);
  await node.pass(1601);
  assert.deepEqual(await names(node.root), []);
  await node.run("backup", "--ttl", "1h");
  assert.deepEqual(await names(node.root), ["backup"], "set again");
  assert.equal((await node.run("backup", "--release")).out, "backup: released.\n");
  assert.equal((await node.run("--release", "backup")).out, "backup: there is no such lock.\n");
  assert.deepEqual(await readdir(node.folder), []);
});

test("a shell can set one; what is none keeps nobody from anything, and is told", async () => {
  await using node = await machine();
  await mkdir(node.folder, { recursive: true });
  const files = {
    by_hand: "1100\n",
    later: "1200.5 x",
    empty: "",
    clock: `${Math.floor(Date.now() / 1000)}`,
    long: `${1001 + LONGEST_LOCK}`,
    "a b": "1100",
    "x.new": "1100",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(node.folder, name), text);
  await mkdir(join(node.folder, "folder"));
  await symlink("/nowhere", join(node.folder, "link"));
  await run(["mkfifo", join(node.folder, "pipe")]);
  const { locks, problems } = await readRestartLocks(node.root);
  assert.deepEqual(
    locks.map(({ name, left }) => [name, left]),
    [
      ["later", 199.75],
      ["by_hand", 99.75],
    ],
  );
  assert.deepEqual(
    problems.map((problem) => problem.slice(node.folder.length + 1).split(": ")[0]),
    [
      "a b has a name that no lock has",
      "clock would last longer than 7 days",
      "empty does not begin with the time at which it ends, in seconds since the kernel's start",
      "folder does not begin with the time at which it ends, in seconds since the kernel's start",
      "long would last longer than 7 days",
      "pipe does not begin with the time at which it ends, in seconds since the kernel's start",
    ],
  );
});

for (const [args, exitCode, error] of [
  [["backup"], 2, /--ttl is missing/],
  [["backup", "--ttl", "10m"], 2, /must be 1s … 168h, written as 90s, 10min or 2h/],
  [["backup", "--ttl", "200h"], 2, /must be 1s … 168h/],
  [["--ttl", "10min"], 2, /the lock has no name/],
  [["../x", "--ttl", "10min"], 1, /"\.\.\/x" is no name of a lock/],
  [["x.new", "--release"], 1, /is no name of a lock/],
] as const)
  test(`petrify lock ${args.join(" ")}: ${error.source}`, async () => {
    await using node = await machine();
    const ran = await node.run(...args);
    assert.equal(ran.exitCode, exitCode);
    assert.match(ran.err, error);
    assert.deepEqual(await readdir(node.folder).catch(() => []), []);
  });

test("--json has the locks with the seconds that are left", async () => {
  await using node = await machine();
  await node.run("backup", "--ttl", "90s");
  const { value } = JSON.parse((await node.run("--json")).out) as { value: unknown };
  assert.deepEqual(value, { locks: [{ name: "backup", left: 90.75 }] });
});
