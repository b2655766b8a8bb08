import assert from "node:assert/strict";
import { link, lstat, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { testContext } from "../../tests/support/build-context.ts";
import { fakeKernel } from "../../tests/support/fake-kernel.ts";
import { fixtureTree, type Files, type FixtureTree } from "../../tests/support/fixture-tree.ts";
import { silent } from "../core/progress.ts";
import { parseRecipe } from "../config/parse-recipe.ts";
import type { Recipe } from "../config/recipe.ts";
import { cleanTree } from "./clean-tree.ts";
import type { BuildContext } from "./context.ts";
import { findInit, refuseOtherInit, type ImageInit } from "./image-init.ts";
import { ownFolder } from "./image-runtime.ts";
import { takeKernel, type Kernel } from "./kernel.ts";
import { packageDatabases } from "./package-database.ts";
import { enforcesSelinux } from "./selinux.ts";
import { addRecipeUsers, nameImage, openTree, setUnits, type Tree } from "./tree.ts";

const DRIVERS = ["block/loop", "md/dm-mod", "md/dm-verity", "fs/erofs", "fs/overlay", "fs/ext4"];
const OPTIONS = ["BLK_DEV_LOOP", "BLK_DEV_DM", "DM_VERITY", "EROFS_FS", "OVERLAY_FS", "EXT4_FS"];
const config = (value: "y" | "m"): string =>
  [...OPTIONS.map((name) => `${name}=${value}`), "BLK_DEV_INITRD=y", "DEVTMPFS=y", "TMPFS=y"]
    .map((line) => `CONFIG_${line}\n`)
    .join("");
/** The drivers that a boot needs, stored in one way. */
const modules = (folder: string, suffix = ""): Files =>
  Object.fromEntries(DRIVERS.map((name) => [`${folder}/kernel/${name}.ko${suffix}`, `module ${name}`]));
const BUILTIN = DRIVERS.map((name) => `kernel/${name}.ko\n`).join("");

const MERGED: Files = {
  ...Object.fromEntries(["bin", "sbin", "lib"].map((name) => [name, { link: `usr/${name}` }])),
  ...{ "usr/bin/": "", "usr/sbin/": "", "usr/lib/": "" },
};
const SYSTEMD: Files = { "usr/lib/systemd/systemd": "ELF", "usr/sbin/init": { link: "../lib/systemd/systemd" } };
const BUSYBOX: Files = { "bin/busybox": "BusyBox v1.37.0", "sbin/init": { link: "/bin/busybox" } };
const OPENRC: Files = { "sbin/openrc": "ELF", "sbin/openrc-run": "ELF" };
const SYSVINIT: Files = { "sbin/init": "\0INIT: version %s booting\0" };

interface Found {
  readonly version: string;
  /** In the tree. */
  readonly modules: string | undefined;
  readonly config: boolean;
  readonly init: Partial<ImageInit>;
  readonly databases: readonly string[];
}
/** One like each family of distributions: where it keeps things, and nothing else. */
const TREES: Readonly<Record<string, { readonly files: Files; readonly found: Found; readonly gone?: readonly string[] }>> = {
  "Debian's, with a merged /usr": {
    files: {
      ...{ ...MERGED, ...SYSTEMD, ...modules("usr/lib/modules/6.12.48+deb13-amd64", ".xz") },
      ...{
        "boot/vmlinuz-6.12.48+deb13-amd64": fakeKernel("6.12.48+deb13-amd64"),
        vmlinuz: { link: "boot/vmlinuz-6.12.48+deb13-amd64" },
      },
      ...{ "boot/config-6.12.48+deb13-amd64": config("m"), "var/lib/dpkg/status": "", "var/lib/dpkg/status-old": "" },
    },
    found: {
      ...{ version: "6.12.48+deb13-amd64", modules: "/usr/lib/modules/6.12.48+deb13-amd64", config: true },
      ...{ init: { kind: "systemd", path: "/sbin/init" }, databases: ["dpkg /var/lib/dpkg"] },
    },
    gone: ["vmlinuz", "boot/config-6.12.48+deb13-amd64", "var/lib/dpkg/status-old"],
  },
  "Fedora's, with a kernel in two places and a rescue kernel that is the same": {
    files: {
      ...{ ...MERGED, ...SYSTEMD, ...modules("usr/lib/modules/6.17.4-300.fc43.x86_64", ".xz") },
      "usr/lib/modules/6.17.4-300.fc43.x86_64/vmlinuz": fakeKernel("6.17.4-300.fc43.x86_64"),
      "usr/lib/modules/6.17.4-300.fc43.x86_64/config": config("m"),
      "usr/lib/modules/6.17.4-300.fc43.x86_64/initramfs.img": "large",
      "boot/vmlinuz-6.17.4-300.fc43.x86_64": fakeKernel("6.17.4-300.fc43.x86_64"),
      "boot/.vmlinuz-6.17.4-300.fc43.x86_64.hmac": "00",
      "boot/vmlinuz-0-rescue-0123456789abcdef": fakeKernel("6.17.4-300.fc43.x86_64"),
      ...{ "usr/lib/sysimage/rpm/rpmdb.sqlite": "SQLite", "usr/lib/sysimage/rpm/rpmdb.sqlite-wal": "data" },
      ...{ "usr/lib/sysimage/rpm/rpmdb.sqlite-shm": "", "var/lib/rpm": { link: "../../usr/lib/sysimage/rpm" } },
      "var/cache/libdnf5/fedora/repodata.xml": "large",
    },
    found: {
      ...{ version: "6.17.4-300.fc43.x86_64", modules: "/usr/lib/modules/6.17.4-300.fc43.x86_64", config: true },
      ...{ init: { kind: "systemd", path: "/sbin/init" }, databases: ["rpm /usr/lib/sysimage/rpm"] },
    },
    gone: [
      "usr/lib/modules/6.17.4-300.fc43.x86_64/vmlinuz",
      "usr/lib/modules/6.17.4-300.fc43.x86_64/initramfs.img",
      ...["usr/lib/sysimage/rpm/rpmdb.sqlite-shm", "var/cache/libdnf5/fedora"],
    ],
  },
  "Alpine's: busybox, a /lib of its own, a kernel without a version in its name, no ld cache, no gshadow": {
    files: {
      ...{ ...BUSYBOX, ...OPENRC, ...modules("lib/modules/6.12.50-0-lts", ".gz"), "sbin/getty": { link: "/bin/busybox" } },
      ...{ "boot/vmlinuz-lts": fakeKernel("6.12.50-0-lts"), "boot/config-6.12.50-0-lts": config("m") },
      ...{ "lib/ld-musl-x86_64.so.1": "ELF", "lib/apk/db/installed": "P:musl\n", "lib/apk/db/lock": "" },
      "var/cache/apk/APKINDEX.tar.gz": "large",
    },
    found: {
      ...{ version: "6.12.50-0-lts", modules: "/lib/modules/6.12.50-0-lts", config: true },
      init: {
        ...{ kind: "openrc", path: "/sbin/init", first: "busybox", openrc: "/sbin/openrc", openrcRun: "/sbin/openrc-run" },
        ...{ rcScripts: false, getty: { path: "/sbin/getty", of: "busybox" } },
      },
      databases: ["apk /lib/apk/db"],
    },
    gone: ["boot/vmlinuz-lts", "lib/apk/db/lock", "var/cache/apk/APKINDEX.tar.gz"],
  },
  "Arch's, with everything in bin": {
    files: {
      ...{ bin: { link: "usr/bin" }, sbin: { link: "usr/bin" }, lib: { link: "usr/lib" }, "usr/sbin": { link: "bin" } },
      ...{ "usr/lib/systemd/systemd": "ELF", "usr/bin/init": { link: "../lib/systemd/systemd" } },
      ...modules("usr/lib/modules/6.17.5-arch1-1", ".zst"),
      ...{
        "usr/lib/modules/6.17.5-arch1-1/vmlinuz": fakeKernel("6.17.5-arch1-1"),
        "boot/vmlinuz-linux": fakeKernel("6.17.5-arch1-1"),
      },
      ...{ "boot/initramfs-linux.img": "large", "var/lib/pacman/local/ALPM_DB_VERSION": "9\n" },
    },
    found: {
      ...{ version: "6.17.5-arch1-1", modules: "/usr/lib/modules/6.17.5-arch1-1", config: false },
      ...{ init: { kind: "systemd", path: "/sbin/init" }, databases: ["pacman /var/lib/pacman/local"] },
    },
  },
  "Gentoo's: sysvinit with OpenRC, plain modules, a kernel called kernel": {
    files: {
      ...{ ...SYSVINIT, ...OPENRC, ...modules("lib/modules/6.12.41-gentoo"), "sbin/agetty": "ELF" },
      ...{
        "boot/kernel-6.12.41-gentoo": fakeKernel("6.12.41-gentoo"),
        "boot/kernel-6.6.1-gentoo.old": fakeKernel("6.6.1-gentoo"),
      },
    },
    found: {
      ...{ version: "6.12.41-gentoo", modules: "/lib/modules/6.12.41-gentoo", config: false },
      init: { kind: "openrc", first: "sysvinit", rcScripts: false, getty: { path: "/sbin/agetty", of: "util-linux" } },
      databases: [],
    },
  },
  "openSUSE's: links to the kernel, a database in ndb's format": {
    files: {
      ...{ ...MERGED, ...SYSTEMD, ...modules("usr/lib/modules/6.4.0-1-default", ".zst") },
      "usr/lib/modules/6.4.0-1-default/vmlinuz": fakeKernel("6.4.0-1-default"),
      "boot/vmlinuz-6.4.0-1-default": { link: "../usr/lib/modules/6.4.0-1-default/vmlinuz" },
      "boot/vmlinuz": { link: "vmlinuz-6.4.0-1-default" },
      "usr/lib/sysimage/rpm/Packages.db": "RpmP",
    },
    found: {
      ...{ version: "6.4.0-1-default", modules: "/usr/lib/modules/6.4.0-1-default", config: false },
      ...{ init: { kind: "systemd" }, databases: ["rpm /usr/lib/sysimage/rpm"] },
    },
  },
  "a small one: everything built in, no modules, systemd in a /lib of its own, rpm of old, no init": {
    files: {
      ...{ "lib/systemd/systemd": "ELF", "boot/vmlinuz": fakeKernel("6.1.0"), "boot/config-6.1.0": config("y") },
      ...{ "var/lib/rpm/Packages": "BDB", "var/lib/rpm/__db.001": "", "var/lib/rpm/.rpm.lock": "" },
    },
    found: {
      ...{ version: "6.1.0", modules: undefined, config: true },
      ...{ init: { kind: "systemd", path: "/lib/systemd/systemd" }, databases: ["rpm /var/lib/rpm"] },
    },
    gone: ["var/lib/rpm/__db.001", "var/lib/rpm/.rpm.lock"],
  },
  "one whose drivers are built in beside other modules": {
    files: {
      ...{ ...MERGED, ...SYSTEMD, "usr/lib/modules/6.1.0/modules.builtin": BUILTIN },
      ...{ "usr/lib/modules/6.1.0/kernel/net/tun.ko": "module", "usr/lib/modules/6.1.0/vmlinuz": fakeKernel("6.1.0") },
    },
    found: { version: "6.1.0", modules: "/usr/lib/modules/6.1.0", config: false, init: { kind: "systemd" }, databases: [] },
  },
};

const context = async (notes: string[] = []): Promise<BuildContext> =>
  await testContext({ progress: { ...silent, note: (text) => void notes.push(text) } });
async function take(
  { path, work }: FixtureTree,
  { from, notes = [] }: { from?: FixtureTree; notes?: string[] } = {},
): Promise<{ kernel: Kernel; tree: Tree }> {
  const build = await context(notes);
  const tree = openTree(path, build);
  return { kernel: await takeKernel(tree, from && openTree(from.path, build), work, build), tree };
}
const recipe = (text = ""): Recipe => parseRecipe(`apiVersion: petrify/v1\nname: x\nbase: { rootfs: x.tar }\n${text}`, "r.yaml");

suite("what is found in a tree", { concurrency: 2 }, () => {
  for (const [what, { files, found, gone = [] }] of Object.entries(TREES)) {
    test(what, async () => {
      await using folder = await fixtureTree(files);
      const tree = openTree(folder.path, await context());
      const init = await findInit(tree.fs);
      for (const [key, value] of Object.entries(found.init)) assert.deepEqual(init[key as keyof ImageInit], value, key);

      const { kernel } = await take(folder);
      assert.equal(kernel.version, found.version);
      assert.equal(kernel.modules?.slice(folder.path.length), found.modules);
      assert.equal(kernel.config !== undefined, found.config);
      assert.deepEqual(await readFile(kernel.vmlinuz), Buffer.from(fakeKernel(found.version)));
      if (kernel.modules !== undefined) {
        const lines = (await readFile(join(kernel.modules, "modules.dep"), "utf8")).split("\n").filter(Boolean);
        assert.ok(lines.length > 0);
        for (const line of lines) assert.match(line, /^kernel\/[a-z0-9/-]+\.ko:/);
        for (const line of lines) {
          assert.match(await readFile(join(kernel.modules, line.slice(0, line.indexOf(":"))), "utf8"), /^module/);
        }
      }

      await cleanTree(tree, undefined);
      const databases = await packageDatabases(tree.fs);
      assert.deepEqual(
        databases.map(({ kind, folder: at }) => `${kind} ${at}`),
        found.databases,
      );
      for (const path of gone) assert.equal(await tree.fs.exists(`/${path}`), false, path);
      if ("usr/lib/sysimage/rpm/rpmdb.sqlite-wal" in files)
        assert.equal(await tree.fs.read("/var/lib/rpm/rpmdb.sqlite-wal"), "data");
    });
  }
});

suite("kernels that are refused", { concurrency: 2 }, () => {
  for (const [what, files, code, message] of [
    ["none", {}, "KERNEL_MISSING", /no kernel: neither/],
    [
      "a file that is no kernel",
      { "boot/vmlinuz": "x".repeat(4096) },
      "KERNEL_INVALID",
      /^\/boot\/vmlinuz of the image is no bzImage/,
    ],
    [
      "two of different versions",
      { "boot/vmlinuz-a": fakeKernel("6.1.0"), "usr/lib/modules/6.2.0/vmlinuz": fakeKernel("6.2.0") },
      "KERNEL_AMBIGUOUS",
      /2 kernels: 6\.1\.0 \(\/boot\/vmlinuz-a\), 6\.2\.0 \(\/usr\/lib\/modules\/6\.2\.0\/vmlinuz\)$/,
    ],
    [
      "one whose modules are of another version",
      { "boot/vmlinuz": fakeKernel("6.1.0"), ...modules("lib/modules/6.2.0") },
      "KERNEL_MODULES_MISMATCH",
      /the kernel \/boot\/vmlinuz is 6\.1\.0, but the modules in the image are of 6\.2\.0$/,
    ],
    [
      "one that lacks a driver",
      { "boot/vmlinuz": fakeKernel("6.1.0"), "boot/config-6.1.0": config("y").replace("CONFIG_DM_VERITY=y", "") },
      "KERNEL_UNFIT",
      /cannot start an image: it has no dm-verity \(CONFIG_DM_VERITY\)$/,
    ],
    [
      "one whose drivers were left out",
      { "boot/vmlinuz": fakeKernel("6.1.0"), "lib/modules/6.1.0/modules.builtin": BUILTIN.replace("kernel/fs/erofs.ko\n", "") },
      "KERNEL_UNFIT",
      /it has no EROFS \(CONFIG_EROFS_FS\)$/,
    ],
  ] as const) {
    test(what, async () => {
      await using folder = await fixtureTree(files);
      await assert.rejects(take(folder), { code, message });
    });
  }
});

test("where neither modules.builtin nor a configuration is there, the build says what nobody can tell", async () => {
  await using folder = await fixtureTree({ "boot/vmlinuz": fakeKernel("6.1.0") });
  const notes: string[] = [];
  const { kernel } = await take(folder, { notes });
  assert.equal(kernel.modules, undefined);
  assert.match(
    notes.join("\n"),
    /nobody can tell whether the kernel 6\.1\.0 has loop devices, .*dm-verity.* nor config-6\.1\.0$/,
  );
});

for (const [lib, files] of [
  ["/lib", { "lib/": "", "usr/lib/": "" }],
  ["/usr/lib", MERGED],
] as const) {
  test(`a kernel from elsewhere takes the place of the base's own, and its modules go to ${lib}`, async () => {
    await using base = await fixtureTree({
      ...{ ...files, "boot/vmlinuz-5.10": fakeKernel("5.10"), [`${lib.slice(1)}/modules/5.10/kernel/old.ko`]: "old" },
    });
    await using from = await fixtureTree({
      ...{ "usr/lib/modules/6.1.0/vmlinuz": fakeKernel("6.1.0"), ...modules("usr/lib/modules/6.1.0", ".xz") },
      "usr/share/doc/linux/copyright": "not taken",
    });
    const notes: string[] = [];
    const { kernel, tree } = await take(base, { from, notes });
    assert.equal(kernel.version, "6.1.0");
    assert.equal(kernel.modules, join(base.path, lib, "modules/6.1.0"));
    assert.deepEqual(await tree.fs.list(`${lib}/modules`), ["6.1.0"]);
    assert.equal(await tree.fs.read(`${lib}/modules/6.1.0/kernel/block/loop.ko`), "module block/loop");
    assert.equal(await tree.fs.exists(`${lib}/modules/6.1.0/vmlinuz`), false);
    assert.equal(await tree.fs.exists("/usr/share/doc"), false);
    assert.deepEqual(notes, ["the base's kernel 5.10 is left out"]);
  });
}

for (const suffix of ["", ".xz", ".gz", ".zst"]) {
  test(`links among ${suffix === "" ? "plain modules" : `modules as ${suffix}`} stay links`, async () => {
    const at = "lib/modules/6.1.0";
    await using folder = await fixtureTree({
      ...{ "boot/vmlinuz": fakeKernel("6.1.0"), ...modules(at, suffix), [`${at}/kernel/z.ko${suffix}`]: "module z" },
      [`${at}/weak-updates/z.ko${suffix}`]: { link: `../kernel/z.ko${suffix}` },
    });
    const path = (name: string): string => join(folder.path, at, name);
    await link(path(`kernel/z.ko${suffix}`), path(`kernel/a.ko${suffix}`));
    const { tree } = await take(folder);
    assert.equal(await readlink(path("weak-updates/z.ko")), "../kernel/z.ko");
    assert.equal((await stat(path("kernel/a.ko"))).ino, (await stat(path("kernel/z.ko"))).ino);
    assert.equal(await readFile(path("kernel/z.ko"), "utf8"), "module z");
    if (suffix !== "")
      assert.deepEqual(
        (await tree.fs.list(`/${at}/kernel`)).filter((name) => name.endsWith(suffix)),
        [],
      );
  });
}

test("a compressed module that is damaged is named", async () => {
  await using folder = await fixtureTree({ "boot/vmlinuz": fakeKernel("6.1.0"), ...modules("lib/modules/6.1.0", ".zst") });
  const tree = openTree(folder.path, await context());
  await tree.fs.write("/lib/modules/6.1.0/kernel/bad.ko.zst", "no zstd");
  await assert.rejects(take(folder), {
    code: "TOOL_FAILED",
    message: /modules could not be decompressed: zstd failed: .*bad\.ko\.zst/s,
  });
});

for (const [what, files, message] of [
  ["nothing", {}, /there is no \/sbin\/init$/],
  ["busybox alone", { ...BUSYBOX, "etc/inittab": "::respawn:/bin/sh\n" }, /\/sbin\/init is busybox, without OpenRC$/],
  ["busybox under the name of init", { "sbin/init": "\x7fELF BusyBox v1.36 multi-call" }, /\/sbin\/init is busybox, without/],
  ["sysvinit alone", SYSVINIT, /\/sbin\/init is sysvinit, without OpenRC$/],
  ["runit", { "sbin/init": { link: "runit-init" }, "sbin/runit-init": "ELF" }, /\/sbin\/init is runit, without/],
  ["s6", { "sbin/init": "#!/bin/execlineb\ns6-linux-init -c /etc/s6\n" }, /\/sbin\/init is s6, without/],
  ["a program that nobody knows", { ...OPENRC, "sbin/init": "ELF" }, /\/sbin\/init is unknown$/],
  [
    "OpenRC's own init, whose consoles nobody starts",
    { ...OPENRC, "sbin/init": { link: "openrc-init" }, "sbin/openrc-init": "" },
    /is openrc$/,
  ],
  ["a link that leads nowhere", { "sbin/init": { link: "/lib/systemd/systemd" } }, /there is no \/sbin\/init$/],
] as const) {
  test(`an image with ${what} as its init is refused, and it is said what there is`, async () => {
    await using folder = await fixtureTree(files);
    await assert.rejects(findInit(openTree(folder.path, await context()).fs), { code: "INIT_UNSUPPORTED", message });
  });
}

for (const [text, kind, code, message] of [
  ["", "systemd"],
  ["init: openrc\n", "openrc"],
  ["units: { enable: [ssh] }\n", "openrc"],
  ["units: { enable: [ssh.service] }\n", "openrc"],
  ["init: systemd\n", "openrc", "INIT_MISMATCH", /says init: systemd, but the image has OpenRC/],
  ["units: { enable: [ssh] }\n", "systemd", "UNIT_UNFIT", /^units\.enable\[0\]: must be the full name .* the image has systemd$/],
  ["units: { mask: [a.service] }\n", "openrc", "UNIT_UNFIT", /^units\.mask: is for systemd/],
  ["health: { checks: [{ unit: a.timer }] }\n", "openrc", "UNIT_UNFIT", /^health\.checks\[0\]\.unit: is a unit of systemd/],
] as const) {
  test(`a recipe with ${JSON.stringify(text.trim())} ${code ? "does not fit" : "fits"} an image with ${kind}`, () => {
    const check = (): void => refuseOtherInit(recipe(text), { kind, path: "/sbin/init" } as ImageInit);
    if (code) assert.throws(check, { code, message });
    else check();
  });
}

test("units of a systemd in a /lib of its own can be enabled, disabled and masked", async () => {
  const unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
  await using folder = await fixtureTree({
    ...Object.fromEntries(["a", "b", "c"].map((name) => [`lib/systemd/system/${name}.service`, unit])),
    "lib/systemd/system/systemd-firstboot.service": unit,
    "lib/systemd/system/serial-getty@.service": "[Unit]\nBindsTo=dev-%i.device\n",
    "etc/systemd/system/multi-user.target.wants/b.service": { link: "/lib/systemd/system/b.service" },
    "usr/lib/systemd/system/": "",
  });
  const tree = openTree(folder.path, await context());
  await setUnits(
    tree,
    recipe("init: systemd\nunits: { enable: [a.service], disable: [b.service], mask: [c.service] }\n"),
    "systemd",
  );
  assert.deepEqual(await tree.fs.list("/etc/systemd/system/multi-user.target.wants"), ["a.service"]);
  for (const name of ["c.service", "systemd-firstboot.service"]) {
    assert.equal(await readlink(join(folder.path, "etc/systemd/system", name)), "/dev/null", name);
  }
  assert.equal(await tree.fs.read("/usr/lib/systemd/system/serial-getty@ttyS0.service"), "[Unit]\n");
  await assert.rejects(setUnits(tree, recipe("units: { enable: [no.service] }\n"), "systemd"), { code: "UNIT_UNKNOWN" });
});

for (const [what, files, start] of [
  ["in /etc only", { "etc/os-release": "NAME=A\nID=a" }, "NAME=A\nID=a\n"],
  ["in /usr/lib only", { "usr/lib/os-release": "NAME=B\nID=b\n" }, "NAME=B\nID=b\n"],
  ["in both, linked", { "usr/lib/os-release": "NAME=C\n", "etc/os-release": { link: "../usr/lib/os-release" } }, "NAME=C\n"],
  ["nowhere", {}, 'NAME="x"\nID=x\nVERSION_ID="0.1.0"\nPRETTY_NAME="x 0.1.0"\n'],
] as const) {
  test(`an os-release that is ${what} is kept or made, and names the image`, async () => {
    await using folder = await fixtureTree(files);
    const tree = openTree(folder.path, await context());
    await nameImage(tree, recipe());
    const text = `${start}IMAGE_ID=x\nIMAGE_VERSION=0.1.0\n`;
    for (const path of ["/etc/os-release", "/usr/lib/os-release"]) assert.equal(await tree.fs.read(path), text);
    assert.match((await tree.fs.read("/etc/hosts"))!, /127\.0\.1\.1 x/);
  });
}

test("users come into an image without gshadow, without a group shadow, and without the passwords of some", async () => {
  await using folder = await fixtureTree({ "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n" });
  const tree = openTree(folder.path, await context());
  const password = "$6$rounds=5000$abcdefgh$0123456789";
  const users = `users: [{ name: root, password: '${password}' }, { name: a }]\n`;
  const ids = await addRecipeUsers(tree, recipe(users), { users: [], groups: [] });
  assert.deepEqual(ids.users, [
    { name: "root", id: 0 },
    { name: "a", id: 1000 },
  ]);
  assert.equal(await tree.fs.read("/etc/shadow"), `root:${password}:1:0:99999:7:::\na:!:1:0:99999:7:::\n`);
  assert.equal(await tree.fs.exists("/etc/gshadow"), false);
  assert.match((await tree.fs.read("/etc/passwd"))!, /^a:x:1000:1000::\/home\/a:\/bin\/sh$/m);
});

for (const [text, words, expected] of [
  ["SELINUX=enforcing\nSELINUXTYPE=targeted\n", [], true],
  ["# SELINUX=enforcing\nSELINUX=permissive\n", [], false],
  ["SELINUX=disabled\n", [], false],
  ["SELINUX=enforcing-not\n", [], false],
  ["SELINUX=enforcing\n", ["enforcing=1"], false],
  ["SELINUX=enforcing\n", ["selinux=0"], false],
  [undefined, [], false],
] as const) {
  test(`SELinux is made permissive: ${expected}, where ${JSON.stringify(text)} and the recipe's words are ${JSON.stringify(words)}`, async () => {
    await using folder = await fixtureTree(text === undefined ? {} : { "etc/selinux/config": text });
    assert.equal(await enforcesSelinux(openTree(folder.path, await context()).fs, words), expected);
  });
}

test("a folder that is mounted over is no link, and holds what the link showed", async () => {
  await using folder = await fixtureTree({
    ...{ home: { link: "var/home" }, "var/home/.profile": "x", opt: { link: "/var/opt" }, srv: { link: "srv" }, "usr/lib/": "" },
  });
  const tree = openTree(folder.path, await context());
  for (const path of ["/home", "/opt", "/root"]) await ownFolder(tree, path);
  for (const name of ["home", "opt", "root"]) assert.equal((await lstat(join(folder.path, name))).isDirectory(), true, name);
  assert.equal(await tree.fs.read("/home/.profile"), "x");
  await assert.rejects(ownFolder(tree, "/srv"), { code: "LINK_LOOP" });
});

test("folders of logs stay, logs and journals go", async () => {
  await using folder = await fixtureTree({
    ...{ "var/log/nginx/access.log": "x", "var/log/journal/0123/system.journal": "x", "etc/ssh/ssh_host_rsa_key.pub": "x" },
  });
  const tree = openTree(folder.path, await context());
  await cleanTree(tree, undefined);
  assert.deepEqual([await tree.fs.list("/var/log"), await tree.fs.list("/var/log/nginx")], [["nginx"], []]);
  assert.deepEqual(await tree.fs.list("/etc/ssh"), []);
});
