import assert from "node:assert/strict";
import { copyFile, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deltaPair } from "../../../bench/delta-pair.ts";
import { petrify, workspace, type CliRun, type Workspace } from "../../../tests/support/cli.ts";
import { noise } from "../../../tests/support/small-image.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { treeImage } from "../../../tests/support/tree-image.ts";
import { sha256 } from "../../host/sha256.ts";
import { zstdUnpackPieces } from "../../host/zstd.ts";
import { applyDelta, readDeltaHeader } from "../../release/delta/apply-delta.ts";
import { planText } from "./text.ts";
import type { MadeDeltaFile } from "./work.ts";

let folder: Workspace;
before(async () => {
  folder = await workspace();
  const tools = await testTools();
  const build = async (version: "old" | "new", file: string, facts: object): Promise<void> =>
    void (await treeImage(tools, deltaPair(version), join(folder.folder, file), { vmlinuz: noise(400_000, version), facts }));
  await build("old", "a.img", { version: "1.0" });
  await build("new", "b.img", { version: "../2.0" });
  await build("old", "other.img", { name: "other" });
  await writeFile(join(folder.folder, "noise"), "x".repeat(100_000));
});
after(async () => await folder[Symbol.asyncDispose]());
const cli = async (...args: string[]): Promise<CliRun> => await petrify(args, { cwd: folder.folder });
const valueOf = ({ events }: CliRun) =>
  events.find(({ type }) => type === "result")!["value"] as MadeDeltaFile["explanation"] &
    Partial<MadeDeltaFile> & { path: string };

test("delta writes what makes the new image of the old one, under the name of both, wherever a name leads", async () => {
  const { exitCode, stdout, stderr } = await cli("delta", "a.img", "b.img");
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /\/test-1\.0-\.\._2\.0\.delta: [\d.]+ KiB, \d+\.\d % of test \.\.\/2\.0 \([\d.]+ MiB\), from 1\.0\.\n$/);
  const [old, wanted, delta] = await Promise.all(
    ["a.img", "b.img", "test-1.0-.._2.0.delta"].map(async (name) => await readFile(join(folder.folder, name))),
  );
  const reader = (bytes: Buffer) => ({
    size: bytes.length,
    read: async (at: number, length: number) => await Promise.resolve(bytes.subarray(at, at + length)),
  });
  const header = await readDeltaHeader(reader(delta!), sha256);
  const made = Buffer.from(wanted!).fill(0, 0, header.omitted.start);
  await applyDelta(header, {
    ...{ old: reader(old!), delta: reader(delta!), sha256, unpack: zstdUnpackPieces, from: 0, done: () => {} },
    write: async (at, bytes) => {
      made.set(bytes, at);
      await Promise.resolve();
    },
  });
  assert.ok(made.equals(wanted!));
});

test("plan-update says by region and by file what an update costs and why, and writes nothing", async () => {
  const files = await readdir(folder.folder);
  const { exitCode, stdout, stderr } = await cli("plan-update", "a.img", "b.img");
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^test 1\.0 → \.\.\/2\.0\nupdate {2}[\d.]+ KiB, \d+\.\d % of the whole image, packed \([\d.]+ [KM]iB\)\n/);
  assert.match(stdout, /\nboot {7} +[\d.]+ KiB +[\d.]+ KiB +[\d.]+ KiB\n/);
  assert.match(stdout, / vmlinuz {2}\(of 390.6 KiB, packed already: a small change changes all of it\)\n/);
  assert.match(stdout, / \/usr\/share\/data\/new {2}\(of [\d.]+ KiB, new\)\n/);
  assert.match(stdout, /\/module\d+\.ko {2}\(of [\d.]+ KiB, changed\)\n/);
  assert.match(stdout, / in \d+ more: --all lists them\n$/);
  assert.deepEqual(await readdir(folder.folder), files);
  const value = valueOf(await cli("plan-update", "a.img", "b.img", "--json"));
  assert.equal(value.pieces.filter(({ name }) => name.endsWith(".ko")).length, 30);
  const text = planText({ from: value.from!, to: value.to!, explanation: value }, true);
  assert.equal(text.match(/module\d+\.ko {2}/g)?.length, 30);
  assert.ok(value.full! > value.bytes);
  assert.equal(value.to?.version, "../2.0");
  const shares = value.regions.reduce((total, { bytes }) => total + bytes, value.head);
  assert.ok(Math.abs(shares - value.bytes) < 50);
});

test("Ctrl-C ends it while it computes, and leaves nothing", async () => {
  const files = await readdir(folder.folder);
  let seen = false;
  const { exitCode, events } = await petrify(["delta", "a.img", "b.img", "-o", "cut.delta", "--json"], {
    cwd: folder.folder,
    onEvent: (event, interrupt) => {
      if (event.type !== "progress" || event["phase"] === undefined || seen) return;
      seen = true;
      interrupt();
    },
  });
  assert.ok(seen);
  assert.equal(exitCode, 130);
  assert.equal(events.at(-1)?.["code"], "INTERRUPTED");
  assert.deepEqual(await readdir(folder.folder), files);
});

for (const [what, command, args, words] of [
  ["the same image", "plan-update", ["a.img", "a.img"], /both are the same image, test 1\.0: there is nothing to update\nhint: /],
  ["an image of another name", "delta", ["other.img", "b.img"], /other cannot become test/],
  [
    "what is no image",
    "plan-update",
    ["noise", "b.img"],
    /noise is not a system image: .*\nhint: Name a system image \(\.img\), not a disk\./,
  ],
  ["a file that is not there", "delta", ["a.img", "none.img"], /none\.img cannot be read \(ENOENT\)\nhint: Make one/],
  ["a folder", "delta", [".", "b.img"], /cannot be read \(EISDIR\)/],
  ["a damaged image", "plan-update", ["a.img", "damaged.img"], /damaged\.img is damaged: .*\nhint: Fetch or build it again\./],
] as const) {
  test(`${what} is refused in words, and nothing is written`, async () => {
    const damaged = join(folder.folder, "damaged.img");
    await copyFile(join(folder.folder, "b.img"), damaged);
    {
      await using handle = await open(damaged, "r+");
      await handle.write(Buffer.from("damaged"), 0, 7, 3 * 1024 * 1024);
    }
    const files = await readdir(folder.folder);
    const { exitCode, stderr } = await cli(command, ...args);
    assert.equal(exitCode, 1, stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /bug:/);
    assert.deepEqual(await readdir(folder.folder), files);
  });
}
