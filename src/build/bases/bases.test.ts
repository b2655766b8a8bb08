import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { BaseSource } from "../../config/base.ts";
import type { Lock } from "../../config/lock.ts";
import { Recipe } from "../../config/recipe.ts";
import { AppError } from "../../core/error.ts";
import { file, folder, tar } from "../../../tests/support/tar.ts";
import { image, layout, saved, tarOf, writeFiles } from "../../../tests/support/oci.ts";
import { scriptedRun } from "../../host/run.ts";
import { mappedIds } from "./merged-base.ts";
import { openBase, type Base } from "../base.ts";
import type { BuildContext } from "../context.ts";
import { archiveOfFile } from "./archive.ts";
import { baseTime } from "./base-time.ts";

const TREE = tar(folder("etc"), file("etc/a", "a", { mtime: 1_600_000_000, pax: { "SCHILY.xattr.security.selinux": "x" } }));
const OTHER = tar(folder("etc"), file("etc/b", "b", { mtime: 1_600_000_000 }));

interface OpenOptions {
  readonly lock?: Lock;
  readonly renew?: boolean;
  readonly uid?: number;
  readonly signal?: AbortSignal;
  readonly onNote?: (text: string) => void;
  readonly onStep?: (title: string) => Promise<void>;
}

describe("bases", () => {
  let work = "";
  let count = 0;
  const notes: string[] = [];
  before(async () => {
    work = await mkdtemp(join(tmpdir(), "petrify-bases-"));
    await writeFile(join(work, "tree.tar"), TREE);
    await writeFile(join(work, "other.tar"), OTHER);
    await writeFiles(join(work, "layout"), layout(image([TREE], { tag: "v1" })));
    await writeFile(join(work, "docker.tar"), tarOf(saved([TREE])));
    await writeFile(join(work, "hostile.tar"), tar(file("etc/ok"), file("../evil", "x")));
    await mkdir(join(work, "empty"));
  });
  after(async () => await rm(work, { recursive: true }));

  const map = (name: string): string => `unshare --user --map-root-user --map-auto -- cat /proc/self/${name}`;
  const ids = scriptedRun({
    [map("uid_map")]: { stdout: "         0       1000          1\n         1     100000      65536\n" },
    [map("gid_map")]: { stdout: "         0       1000          1\n         1     100000      65536\n" },
  });
  const unused = (): never => {
    throw new Error("no tool is needed for this");
  };
  const open = async (
    source: BaseSource,
    { lock, renew = false, uid = 0, signal, onNote = () => {}, onStep = async () => {} }: OpenOptions = {},
  ): Promise<Base> => {
    notes.length = 0;
    const own = join(work, `work-${count++}`);
    await mkdir(own);
    const context: BuildContext = {
      tools: { root: "", id: "", run: unused, argv: unused },
      ...{
        containerTools: unused,
        mediaTools: unused,
        run: ids.run,
        caller: { uid, devices: [] },
        signal,
        cacheFolder: join(work, "cache"),
      },
      progress: { step: async (title, body) => (await onStep(title), await body(onNote)), note: (text) => void notes.push(text) },
      ...{ clock: () => 0, random: () => new Uint8Array() },
    };
    const recipe = Recipe.parse({ apiVersion: "petrify/v1", name: "test", base: { rootfs: "x" } });
    return await openBase(source, { recipe, recipeFolder: work, lock, renew, work: own }, context);
  };
  const lockOf = (inputs: string, time = 5): Lock => ({ format: 1, inputs, time, packages: [], users: [], groups: [] });

  for (const [what, source, code, message] of [
    [
      "a path where there is nothing",
      { kind: "rootfs", path: "nothing.tar" },
      "BASE_MISSING",
      /base\.rootfs: there is nothing at .*nothing\.tar/,
    ],
    ["a device", { kind: "rootfs", path: "/dev/zero" }, "BASE_MISSING", /neither a file nor a folder is at \/dev\/zero/],
    [
      "a layout that is a file",
      { kind: "oci", path: "docker.tar", tag: undefined },
      "BASE_INVALID",
      /base\.oci: .*docker\.tar is a file/,
    ],
    [
      "an archive that is a folder",
      { kind: "ociArchive", path: "layout", tag: undefined },
      "BASE_INVALID",
      /base\.ociArchive: .*layout is a folder/,
    ],
    ["a folder that is no layout", { kind: "oci", path: "empty", tag: undefined }, "BASE_INVALID", /empty: has no oci-layout/],
    [
      "an archive of another kind",
      { kind: "ociArchive", path: "docker.tar", tag: undefined },
      "BASE_INVALID",
      /docker\.tar: has no oci-layout/,
    ],
    ["a hostile tar", { kind: "rootfs", path: "hostile.tar" }, "ARCHIVE_REFUSED", /hostile\.tar: \.\.\/evil: leads upwards/],
  ] as const) {
    test(`${what} is refused, and nothing is kept of it`, async () => {
      const kept = await readdir(join(work, "cache/bases")).catch(() => []);
      await assert.rejects(
        open(source),
        (error) => error instanceof AppError && error.code === code && message.test(error.message),
      );
      assert.deepEqual(await readdir(join(work, "cache/bases")).catch(() => []), kept);
    });
  }

  test("what was read once is taken from the cache, whatever it was called", async () => {
    const one = await open({ kind: "oci", path: "layout", tag: undefined });
    assert.match(one.inputs, /^sha256:/);
    assert.equal(one.time, 1_714_979_289);
    await writeFile(one.tar, "as it was left");
    const two = await open({ kind: "oci", path: "layout", tag: "v1" });
    assert.deepEqual(two, one);
    assert.equal(await readFile(two.tar, "utf8"), "as it was left");
  });

  test("a cache that was interrupted between its two files is made whole", async () => {
    const one = await open({ kind: "dockerArchive", path: "docker.tar", tag: undefined });
    const whole = await readFile(one.tar);
    await rm(one.tar);
    assert.deepEqual(await readFile((await open({ kind: "dockerArchive", path: "docker.tar", tag: undefined })).tar), whole);
    await writeFile(one.tar.replace(/tar$/, "json"), '{"newest":');
    assert.deepEqual(await readFile((await open({ kind: "dockerArchive", path: "docker.tar", tag: undefined })).tar), whole);
  });

  test("a base that is another one than in the lock is told of, and has its own time", async () => {
    const { inputs, time } = await open({ kind: "rootfs", path: "tree.tar" });
    assert.deepEqual([time, notes], [1_700_000_000, []]);
    const same = await open({ kind: "rootfs", path: "tree.tar" }, { lock: lockOf(inputs) });
    assert.deepEqual([same.time, notes], [5, []]);
    const renewed = await open({ kind: "rootfs", path: "tree.tar" }, { lock: lockOf(inputs), renew: true });
    assert.deepEqual([renewed.time, notes], [1_700_000_000, []]);
    const changed = await open({ kind: "rootfs", path: "other.tar" }, { lock: lockOf(inputs) });
    assert.deepEqual([changed.time, notes], [1_700_000_000, ["the base has changed since petrify.lock"]]);
    assert.notEqual(changed.inputs, inputs);
  });

  test("an ordinary user is told which attributes are lost", async () => {
    await open({ kind: "rootfs", path: "tree.tar" }, { uid: 1000 });
    assert.match(notes.join(), /^1 files may lose attributes that only root can set everywhere \(such as security\.selinux\)/);
    await open({ kind: "rootfs", path: "other.tar" }, { uid: 1000 });
    assert.deepEqual(notes, []);
  });

  test("an ordinary user is refused what belongs to ids that he does not have", async () => {
    await writeFile(join(work, "owned.tar"), tar(file("a", "", { uid: 65_536 }), file("b", "", { gid: 65_537 })));
    await open({ kind: "rootfs", path: "owned.tar" });
    await assert.rejects(open({ kind: "rootfs", path: "owned.tar" }, { uid: 1000 }), {
      code: "BASE_OWNERS",
      message: "the base has files of the group 65537; you have the ids below 65537 here",
      hint: "Build as root, or give yourself more ids in /etc/subgid.",
    });
  });

  test("a tar that is replaced after its digest was taken is refused", async () => {
    const [one, two] = ["1", "2"].map((data) => tar(file("replaced", data))) as [Uint8Array, Uint8Array];
    await writeFile(join(work, "replaced.tar"), one);
    const onStep = async (title: string): Promise<void> => {
      if (title.startsWith("read")) await writeFile(join(work, "replaced.tar"), two);
    };
    await assert.rejects(open({ kind: "rootfs", path: "replaced.tar" }, { onStep }), { code: "BASE_DAMAGED" });
  });

  test("an abort ends the reading of a file in the middle", async () => {
    await writeFile(join(work, "long"), new Uint8Array(20 * 1024 ** 2));
    const abort = new AbortController();
    let size = 0;
    const reading = async (): Promise<void> => {
      for await (const chunk of archiveOfFile("long", join(work, "long"), { size: 20 * 1024 ** 2 }, abort.signal).read()) {
        size += chunk.length;
        abort.abort();
      }
    };
    await assert.rejects(reading(), { name: "AbortError" });
    assert.ok(size < 5 * 1024 ** 2, `${size} bytes were read`);
  });

  for (const moment of ["reading", "merging"]) {
    test(`an abort while ${moment} ends it, and nothing is kept`, async () => {
      await writeFile(join(work, "large.tar"), tar(folder("etc"), file(`etc/${moment}`, new Uint8Array(5_000_000))));
      const kept = await readdir(join(work, "cache/bases"));
      const abort = new AbortController();
      const onNote = (text: string): void => {
        if (text === moment) abort.abort();
      };
      await assert.rejects(open({ kind: "rootfs", path: "large.tar" }, { signal: abort.signal, onNote }), { name: "AbortError" });
      assert.ok(abort.signal.aborted);
      assert.deepEqual(await readdir(join(work, "cache/bases")), kept);
    });
  }
});

test("ids of a map count as far as there is no gap", () => {
  assert.equal(mappedIds("0 0 4294967295\n"), 4_294_967_295);
  assert.equal(mappedIds("1 100000 65536\n0 1000 1\n"), 65_537);
  assert.equal(mappedIds("0 1000 1\n5 100000 65536\n"), 1);
});

const now = 1_800_000_000;
for (const [what, facts, time, note] of [
  ["when it says it was made", { created: 1_700_000_000, newest: 1_750_000_000 }, 1_700_000_000, undefined],
  ["of its newest file, where it does not say", { created: undefined, newest: 1_750_000_000 }, 1_750_000_000, undefined],
  ["of today, where it is of the future", { created: 1_900_000_000, newest: 0 }, now, /is dated 2030-03-17, in the future/],
  ["of today, where a file is of the far future", { created: undefined, newest: 2 ** 50 }, now, /in the future/],
  ["of 1980, where nothing says", { created: undefined, newest: 0 }, 315_532_800, /nothing in the base tells when it was made/],
] as const) {
  test(`the date of a base is that ${what}`, () => {
    const found = baseTime({ ...facts, now });
    assert.equal(found.time, time);
    if (note) assert.match(found.note ?? "", note);
    else assert.equal(found.note, undefined);
  });
}
