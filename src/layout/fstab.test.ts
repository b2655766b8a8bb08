import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type DataPartition, fstab, isMountablePath, persistentOverlay } from "./fstab.ts";

const BOTH: ReadonlySet<DataPartition> = new Set(["oem", "persistent"]);
const PERSISTENT: ReadonlySet<DataPartition> = new Set(["persistent"]);
const NONE: ReadonlySet<DataPartition> = new Set();

/** Fields as fstab(5) names them. */
const parse = (text: string): { spec: string; file: string; type: string; options: string[]; pass: number }[] =>
  text
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => {
      const [spec, file, type, options, , pass] = line.split(" ");
      return { spec: spec!, file: file!, type: type!, options: options!.split(","), pass: Number(pass) };
    });

test("a whole disk: the data partitions that the initrd found, then the overlays", () => {
  assert.deepEqual(
    parse(fstab(BOTH, ["/var/log", "/home"])).map(({ spec, file, type, pass }) => [spec, file, type, pass]),
    [
      ["tmpfs", "/tmp", "tmpfs", 0],
      ["/run/petrify/dev/oem", "/oem", "ext4", 0],
      ["/run/petrify/dev/persistent", "/usr/local", "ext4", 0],
      ["overlay", "/home", "overlay", 0],
      ["overlay", "/var/log", "overlay", 0],
    ],
  );
});

test("a data partition is checked by a unit of its own before it is mounted, and no line waits for a device under /dev", () => {
  const lines = parse(fstab(BOTH, ["/home"]));
  for (const name of ["oem", "persistent"]) {
    const line = lines.find(({ spec }) => spec === `/run/petrify/dev/${name}`)!;
    assert.ok(line.options.includes(`x-systemd.requires=petrify-fsck@${name}.service`), name);
  }
  assert.deepEqual(
    lines.filter(({ spec }) => /^(\/dev|[A-Z]+=)/.test(spec)),
    [],
  );
});

test("a folder that the image does not have lies over an empty one", () => {
  const lines = parse(fstab(BOTH, ["/home", "/var/lib/app"], { lacking: new Set(["/var/lib/app"]) }));
  const lower = (file: string): string =>
    lines.find((line) => line.file === file)!.options.find((option) => option.startsWith("lowerdir="))!;
  assert.equal(lower("/home"), "lowerdir=/run/petrify/root/home");
  assert.equal(lower("/var/lib/app"), "lowerdir=/run/petrify/empty");
});

test("without systemd no option is one that only systemd knows, and everything else stays", () => {
  const [systemd, openrc] = (["systemd", "openrc"] as const).map((init) => parse(fstab(BOTH, ["/home", "/srv/a"], { init })));
  assert.deepEqual(
    openrc,
    systemd!.map((line) => ({ ...line, options: line.options.filter((option) => !option.startsWith("x-")) })),
  );
});

test("an overlay of a persistent folder has the image below and the persistent partition above", () => {
  const home = parse(fstab(PERSISTENT, ["/home"])).find(({ file }) => file === "/home")!;
  assert.deepEqual(home.options.slice(0, 9), [
    "nosuid",
    "nodev",
    "lowerdir=/run/petrify/root/home",
    "upperdir=/usr/local/.petrify/overlay/home/upper",
    "workdir=/usr/local/.petrify/overlay/home/work",
    "index=off",
    "metacopy=off",
    "redirect_dir=off",
    "xino=off",
  ]);
});

test("of a sealed image nothing is executed that was written to, but what containers are made of, and that has no devices", () => {
  const stores = ["/var/lib/containers", "/var/lib/containerd", "/var/lib/docker/volumes"];
  const kept = ["/home", "/srv", "/var/lib/containers-of-mine", "/var/log"];
  const flags = (partitions: ReadonlySet<DataPartition>, file: string): string[] =>
    parse(fstab(partitions, [...stores, ...kept], { profile: "sealed" }))
      .find((line) => line.file === file)!
      .options.filter((option) => /^no(suid|dev|exec)$/.test(option));
  for (const partitions of [BOTH, NONE]) {
    for (const file of ["/tmp", "/usr/local", ...kept])
      assert.deepEqual(flags(partitions, file), ["nosuid", "nodev", "noexec"], file);
    for (const file of stores) assert.deepEqual(flags(partitions, file), ["nodev"], file);
  }
  assert.deepEqual(flags(BOTH, "/oem"), ["nosuid", "nodev", "noexec"]);
});

test("data that does not mount fails no boot, yet everything else waits for it", () => {
  for (const { file, options } of parse(fstab(BOTH, ["/home", "/srv"]))) {
    if (file === "/tmp") continue;
    assert.ok(options.includes("nofail"), file);
    assert.ok(options.includes("x-systemd.before=local-fs.target"), file);
  }
});

test("without data partitions the same folders are there, on a tmpfs", () => {
  const lines = parse(fstab(NONE, ["/home"]));
  assert.deepEqual(
    lines.map(({ spec, file }) => [spec, file]),
    [
      ["tmpfs", "/tmp"],
      ["tmpfs", "/usr/local"],
      ["overlay", "/home"],
    ],
  );
});

test("a folder in a folder is mounted after it", () => {
  const files = parse(fstab(PERSISTENT, ["/srv/a/b", "/srv-x", "/srv"])).map(({ file }) => file);
  assert.ok(files.indexOf("/srv") < files.indexOf("/srv/a/b"));
});

for (const [path, mountable] of [
  ["/home", true],
  ["/var/lib/my-app_2.d", true],
  ["/var/lib/systemd@x", true],
  ["/with space", false],
  ["/a,b", false],
  ["/a:b", false],
  ["/a\\b", false],
  ["/a/../b", false],
  ["/a/.", false],
  ["/.config/..x", true],
  ["home", false],
  ["/", false],
  ["/home/", false],
  ["//home", false],
] as const) {
  test(`${path} ${mountable ? "can" : "cannot"} be persistent`, () => {
    assert.equal(isMountablePath(path), mountable);
    assert.equal(fstab(PERSISTENT, [path]).includes("\noverlay"), mountable);
  });
}

for (const [path, name] of [
  ["/home", "home"],
  ["/var/log", "var-log"],
  ["/var-log", "var_2d_log"],
  ["/a_2d_b", "a_5f_2d_5f_b"],
] as const) {
  test(`the layers of ${path} are in ${name}`, () => {
    assert.equal(persistentOverlay(path).upper, `/usr/local/.petrify/overlay/${name}/upper`);
    assert.equal(persistentOverlay(path).work, `/usr/local/.petrify/overlay/${name}/work`);
  });
}

test("no two folders share their layers", () => {
  const part = fc.string({ unit: fc.constantFrom("a", "-", "_", "2", "d", "."), minLength: 1, maxLength: 4 });
  const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
  fc.assert(
    fc.property(path, path, (a, b) => (a === b) === (persistentOverlay(a).upper === persistentOverlay(b).upper)),
    { numRuns: 2000 },
  );
});
