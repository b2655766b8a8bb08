import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { journalOf, takePstore } from "./boot-logs.ts";
import { scriptedRun } from "./run.ts";

const ID = "8f0c7d52-3f0e-4f4c-9d3c-0a51f1a8a001";
const OTHER = "11111111-3f0e-4f4c-9d3c-0a51f1a8a002";
const plain = (id: string): string => id.replaceAll("-", "");
const END = "--lines=1000 --output=short-monotonic --no-hostname --no-pager --quiet";
const LIST = "journalctl --list-boots --output=json --no-pager --quiet";
const boots = (...list: readonly (readonly [index: number, id: string])[]): string =>
  JSON.stringify(list.map(([index, id]) => ({ index, boot_id: plain(id), first_entry: 1, last_entry: 2 })));

suite("the journal of a boot", () => {
  test("is asked for by its id, and its end is taken", async () => {
    const { run } = scriptedRun({ [`journalctl --boot=${plain(ID)} ${END}`]: { stdout: "[    1.0] kernel: x\n" } });
    assert.equal(await journalOf(run, { id: ID, known: [ID] }), "[    1.0] kernel: x\n");
  });
  test("that nobody has seen is the one before this, whatever the order of the list", async () => {
    const { run } = scriptedRun({
      [LIST]: { stdout: boots([0, "0".repeat(32)], [-2, OTHER], [-1, ID]) },
      [`journalctl --boot=${plain(ID)} ${END}`]: { stdout: "its log\n" },
    });
    assert.equal(await journalOf(run, { known: [OTHER] }), "its log\n");
  });
  test("that nobody has seen is no older one's: a boot that is known is not taken for it", async () => {
    const { run, calls } = scriptedRun({ [LIST]: { stdout: boots([-2, OTHER], [-1, ID], [0, "0".repeat(32)]) } });
    assert.equal(await journalOf(run, { known: [ID] }), undefined);
    assert.equal(calls.length, 1);
  });
  for (const [what, answers] of [
    ["is empty", { [`journalctl --boot=${plain(ID)} ${END}`]: { stdout: "\n" } }],
    ["does not know the boot", { [`journalctl --boot=${plain(ID)} ${END}`]: { exitCode: 1, stderr: "no such boot" } }],
  ] as const) {
    test(`that ${what} is none`, async () => {
      assert.equal(await journalOf(scriptedRun(answers).run, { id: ID, known: [] }), undefined);
    });
  }
  test("whose list makes no sense is none", async () => {
    assert.equal(await journalOf(scriptedRun({ [LIST]: { stdout: "-1 x" } }).run, { known: [] }), undefined);
  });
});

suite("what crashed kernels have left", () => {
  test("is read in order, wherever it lies, and taken away; everything else stays", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-pstore-"));
    const [kernel, moved] = [join(folder.path, "kernel"), join(folder.path, "moved")];
    await mkdir(kernel);
    await mkdir(join(moved, "17"), { recursive: true });
    await writeFile(join(kernel, "dmesg-efi-2"), "two");
    await writeFile(join(kernel, "dmesg-efi-1"), "one");
    await writeFile(join(kernel, "console-ramoops-0"), "no crash");
    await writeFile(join(moved, "17", "dmesg.txt"), Buffer.from([0x6f, 0x6c, 0x64, 0xff])); // no UTF-8
    const folders = [kernel, moved, join(folder.path, "nowhere")];
    assert.equal(await takePstore(folders), "one\ntwo\nold\u00ff");
    assert.deepEqual(await readdir(kernel), ["console-ramoops-0"]);
    assert.deepEqual(await readdir(join(moved, "17")), []);
    assert.equal(await takePstore(folders), undefined, "once");
  });
});
