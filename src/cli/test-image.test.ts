import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { MiB } from "../core/units.ts";
import { encodeGpt } from "../layout/gpt.ts";
import { runForTest } from "./testing.ts";

suite("petrify test", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "petrify-test-image-"));
    const disk = new Uint8Array(1024);
    disk.set([0x55, 0xaa], 510);
    await writeFile(join(folder, "disk.raw"), disk);
    await writeFile(join(folder, "text"), "hello\n");
    const image = new Uint8Array(8 * MiB);
    const partitions = ["boot", "root", "root-verity"].map((name, index) => ({
      ...{
        number: index + 1,
        name,
        type: "0fc63daf-8483-4772-8e79-3d69d8477de4",
        guid: `00000000-0000-4000-8000-00000000000${index + 1}`,
      },
      ...{ start: (index + 1) * MiB, size: MiB },
    }));
    const gpt = { diskGuid: "00000000-0000-4000-8000-000000000000", size: image.length, partitions };
    for (const { offset, data } of encodeGpt(gpt, 512)) image.set(data, offset);
    await writeFile(join(folder, "system.img"), image);
  });
  after(async () => await rm(folder, { recursive: true }));

  const refused: readonly { what: string; args: readonly string[]; exit: number; code: string; message: RegExp }[] = [
    { what: "no image", args: [], exit: 2, code: "USAGE", message: /image/ },
    {
      what: "a file that is not there",
      args: ["absent.img"],
      exit: 1,
      code: "FILE_UNREADABLE",
      message: /absent\.img .*no such file/,
    },
    { what: "a disk", args: ["disk.raw"], exit: 1, code: "NOT_AN_IMAGE", message: /disk\.raw is a disk/ },
    {
      what: "a disk as the old image",
      args: ["system.img", "--from", "disk.raw"],
      exit: 1,
      code: "NOT_AN_IMAGE",
      message: /disk\.raw/,
    },
    { what: "a file that is neither", args: ["text"], exit: 1, code: "NOT_BOOTABLE", message: /neither/ },
    {
      what: "a case that there is not",
      args: ["system.img", "--case", "fly"],
      exit: 2,
      code: "USAGE",
      message: /boot, upgrade, rollback, fallback/,
    },
    { what: "a time without a unit", args: ["system.img", "--timeout", "90"], exit: 2, code: "USAGE", message: /90s, 20min, 1h/ },
    {
      what: "more memory than there is",
      args: ["system.img", "--memory", "900TiB"],
      exit: 1,
      code: "MEMORY_INSUFFICIENT",
      message: /900 TiB/,
    },
    {
      what: "a number of processors that is none",
      args: ["system.img", "--cpus", "0"],
      exit: 2,
      code: "USAGE",
      message: /1 to 255/,
    },
  ];
  for (const { what, args, exit, code, message } of refused) {
    test(`refuses ${what}`, async () => {
      const { exitCode, out } = await runForTest(["test", "--json", ...args], { cwd: folder });
      const error = JSON.parse(out.trim().split("\n").at(-1)!) as { code: string; message: string; hint?: string };
      assert.deepEqual([exitCode, error.code], [exit, code], out);
      assert.match(`${error.message} ${error.hint}`, message);
      assert.ok(error.hint);
    });
  }
});
