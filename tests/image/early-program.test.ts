/** The program of early boot as an image has it, in a root of files: what it decides at each boot, with the engine and the native module that it really has. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { earlyProgram } from "../../src/build/early-program.ts";
import { run } from "../../src/host/run.ts";
import { encodeRunFacts } from "../../src/layout/run-facts.ts";
import { isoVolume } from "../support/iso-volumes.ts";
import { testTools } from "../support/tools.ts";

const isRoot = process.getuid!() === 0;
const FACTS = { slot: "a", file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {} } as const;
const NOW = "run/petrify/config-sources";

test("at each boot the program tells whether what lies where a machine looks has changed", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-early-"));
  const root = join(dir.path, "root");
  const put = async (path: string, data: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), data);
  };
  const program = await readFile(await earlyProgram(await testTools(), dir.path));
  const volume = isoVolume("genisoimage -V CIDATA -J -r");
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "run/petrify/boot.json": encodeRunFacts(FACTS),
    "run/petrify/config-wanted": "there is none\n",
    "proc/cmdline": "quiet\n",
    "sys/class/dmi/id/product_uuid": "1b4e28ba\n",
    "sys/class/block/sr0/size": `${volume.length / 512}\n`,
    "dev/sr0": volume,
    "oem/machine.yaml": "#cloud-config\n# für später\nhostname: a\n",
  };
  for (const [path, data] of Object.entries(files)) await put(path, data);
  await put("early", program);
  await run(["chmod", "755", join(root, "early")]);
  const isToMake = async (): Promise<boolean> =>
    (await run(["chroot", root, "/early", "config-sources"], { okExit: [0, 1] })).exitCode === 0;

  assert.equal(await isToMake(), true, "one is wanted");
  const seen = await readFile(join(root, NOW), "utf8");
  assert.match(
    seen,
    /^petrify-sources 1\n\/oem\/machine\.yaml [0-9a-f]{8}\nmachine [0-9a-f]{8}\nvolume cidata \d+ [0-9a-f]{8}\n$/,
  );
  assert.equal((await stat(join(root, NOW))).mode & 0o777, 0o600);
  await put("oem/petrify/config/1/compiled", "x");
  await put("oem/petrify/config/sources", seen);
  await rm(join(root, "run/petrify/config-wanted"));
  assert.equal(await isToMake(), false, "nothing has changed");

  const changes: readonly (readonly [what: string, path: string, data: string | Uint8Array])[] = [
    ["a file", "oem/machine.yaml", "#cloud-config\n# für später\nhostname: b\n"],
    ["the volume", "dev/sr0", isoVolume("genisoimage -V CIDATA -r")],
    ["the machine", "sys/class/dmi/id/product_uuid", "another\n"],
  ];
  for (const [what, path, data] of changes) {
    await put(path, data);
    assert.equal(await isToMake(), true, what);
    await put(path, files[path]!);
    assert.equal(await isToMake(), false, `${what} is as it was`);
  }
});
