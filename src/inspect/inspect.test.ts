import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { smallSystem } from "../../tests/support/small-system.ts";
import type { TarEntry } from "../../tests/support/tree-tar.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage, type TreeImageOptions } from "../../tests/support/tree-image.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { currentCaller } from "../host/caller.ts";
import { run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import type { Tools } from "../host/tools.ts";
import { firstKeys } from "../release/change-keys.ts";
import { encodeTrustedKeys, TRUSTED_KEYS_PATH } from "../release/trusted-keys.ts";
import { diffImages, type ImageDiff } from "./diff.ts";
import { digestOf, textOf } from "./image-tree.ts";
import { openSystemImage, type InspectContext } from "./open-image.ts";
import { packagesOf, withLicences } from "./packages.ts";
import { reportOf } from "./report.ts";
import { sbomOf } from "./sbom.ts";

let tools: Tools;
before(async () => {
  tools = await testTools();
});

/** With a folder of its own, and no programs that the image does not need. */
function contextIn(folder: string, more: Partial<InspectContext> = {}): InspectContext {
  const none = (): never => assert.fail("no program is needed for this");
  return { tools: none, containerTools: none, caller: currentCaller(), run, cacheFolder: folder, signal: undefined, ...more };
}

async function imageIn(folder: string, name: string, entries: readonly TarEntry[], options?: TreeImageOptions): Promise<string> {
  const path = join(folder, name);
  await treeImage(tools, entries, path, options);
  return path;
}

for (const [form, more] of [
  [[], {}],
  [["-zlz4hc", "-C65536"], { tools: async () => await Promise.resolve(tools) }],
  [["-zzstd,level=3", "-C65536"], { tools: async () => await Promise.resolve(tools) }],
] as const) {
  test(`an image is looked into without mounting it (${form[0] ?? "not compressed"})`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
    const path = await imageIn(dir.path, "image", smallSystem, { form });
    const context = contextIn(dir.path, more);
    await using image = await openSystemImage(path, context);
    const { manifest, digest, health, recovery, notes, ...report } = await reportOf(image, context);
    assert.equal(manifest.name, "test");
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.equal(health.deadlineSeconds, 300);
    assert.equal(recovery.afterSeconds[0], 300);
    assert.deepEqual(notes, ["/usr/lib/petrify/health.json is missing: only the checks of every image are run"]);
    assert.deepEqual(report, {
      os: { ID: "debian", VERSION_ID: "13", PRETTY_NAME: "Debian GNU/Linux 13 (trixie)" },
      init: "systemd",
      commandLine: "petrify.roothash=… panic=5",
      files: { ...report.files, privileged: ["/usr/bin/ping", "/usr/bin/su"] },
      packages: [
        {
          ...{
            kind: "deb",
            name: "bash",
            version: "5.2.37-2",
            architecture: "amd64",
            source: { name: "bash", version: "5.2.37-2" },
          },
          ...{ maintainer: "Somebody <somebody@example.org>", installedSize: 7000 * 1024, depends: [["libc6"]], provides: [] },
        },
        {
          ...{
            kind: "deb",
            name: "libc6",
            version: "2.41-12",
            architecture: "amd64",
            source: { name: "glibc", version: "2.41-12" },
          },
          ...{ depends: [], provides: [] },
        },
      ],
      databases: [{ kind: "deb", path: "/var/lib/dpkg/status" }],
      units: {
        enabled: [
          { name: "app.service", by: "multi-user.target" },
          { name: "petrifyd.service", by: "multi-user.target" },
        ],
        masked: ["masked.service"],
      },
      users: [
        { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/bash", login: [] },
        { name: "daemon", uid: 1, gid: 1, home: "/usr/sbin", shell: "/usr/sbin/nologin", login: [] },
        { name: "ann", uid: 1000, gid: 1000, home: "/home/ann", shell: "/bin/bash", login: ["ssh key"] },
        { name: "bob", uid: 1001, gid: 1001, home: "/home/bob", shell: "/bin/bash", login: ["password"] },
        { name: "eve", uid: 1002, gid: 1002, home: "/home/eve", shell: "/bin/sh", login: ["no password"] },
      ],
      persistent: ["/home", "/var/log"],
    });
    assert.equal(await textOf(image.tree, "/usr/bin/bash"), "the same line again\n".repeat(5000));
    const first = await digestOf(image.tree, image.tree.find("/usr/bin/bash")!);
    assert.equal(first, await digestOf(image.tree, image.tree.find("/usr/bin/bash")!));
    const [bash, libc] = await withLicences(image.tree, report.packages);
    assert.deepEqual([bash?.licences, libc?.licences], [["GPL-3+"], []]);
    const bills = [await sbomOf(image, "spdx", context), await sbomOf(image, "spdx", context)];
    assert.equal(JSON.stringify(bills[0]), JSON.stringify(bills[1]));
  });
}

test("links lead inside the image, never out of it, and not for ever", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
  const links: TarEntry[] = [
    { path: "etc/out", target: "../../../../../../etc/app.conf" },
    { path: "etc/loop", target: "loop" },
    { path: "etc/nowhere", target: "/no/such/file" },
    { path: "abs", target: "/etc" },
  ];
  const context = contextIn(dir.path);
  await using image = await openSystemImage(await imageIn(dir.path, "image", [...smallSystem, ...links]), context);
  assert.equal(await textOf(image.tree, "/etc/out"), "one=1\n");
  assert.equal(await textOf(image.tree, "/abs/../abs/./app.conf"), "one=1\n");
  assert.equal(image.tree.find("/etc/loop"), undefined);
  assert.equal(image.tree.find("/etc/nowhere"), undefined);
  assert.deepEqual(image.tree.names("/etc/app.conf"), []);
});

test("OpenRC's services and runlevels are what such an image starts; busybox's init is known", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
  const context = contextIn(dir.path);
  const base: TarEntry[] = [
    { path: "bin/busybox", data: "b", mode: 0o755 },
    { path: "sbin/init", target: "/bin/busybox" },
  ];
  const openrc: TarEntry[] = [
    { path: "sbin/openrc", data: "o", mode: 0o755 },
    { path: "etc/runlevels/default/sshd", target: "/etc/init.d/sshd" },
    { path: "etc/runlevels/boot/hostname", target: "/etc/init.d/hostname" },
    { path: "lib/apk/db/installed", data: "P:musl\nV:1.2\nA:x86_64\nL:MIT\n\n" },
    { path: "usr/lib/apk/db", target: "../../../lib/apk/db" },
  ];
  await using busybox = await openSystemImage(await imageIn(dir.path, "busybox", base), context);
  assert.equal((await reportOf(busybox, context)).init, "busybox");
  await using alpine = await openSystemImage(await imageIn(dir.path, "alpine", [...base, ...openrc]), context);
  const { init, units, packages, databases } = await reportOf(alpine, context);
  assert.equal(init, "openrc");
  assert.deepEqual(units.enabled, [
    { name: "hostname", by: "boot" },
    { name: "sshd", by: "default" },
  ]);
  assert.deepEqual(databases, [{ kind: "apk", path: "/lib/apk/db/installed" }]);
  assert.deepEqual(
    packages.map(({ name, licence }) => [name, licence]),
    [["musl", "MIT"]],
  );
});

test("an image without dpkg has a file a package; what is no status is no package", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
  const context = contextIn(dir.path);
  const entries: TarEntry[] = [
    { path: "var/lib/dpkg/status.d/tzdata", data: "Package: tzdata\nVersion: 2025b\nArchitecture: all\n" },
    { path: "var/lib/dpkg/status.d/tzdata.md5sums", data: "abc  usr/share/zoneinfo/UTC\n" },
  ];
  await using image = await openSystemImage(await imageIn(dir.path, "image", entries), context);
  const { packages } = await packagesOf(image, context);
  assert.deepEqual(
    packages.map(({ name, version }) => `${name} ${version}`),
    ["tzdata 2025b"],
  );
});

test("what is no system image is refused", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
  await writeFile(join(dir.path, "file"), Buffer.alloc(3 * 1024 ** 2));
  await assert.rejects(openSystemImage(join(dir.path, "file"), contextIn(dir.path)), { code: "IMAGE_INVALID" });
});

const without = (...paths: string[]): TarEntry[] => smallSystem.filter(({ path }) => !paths.includes(path));
async function diffOf(entries: readonly TarEntry[], options?: TreeImageOptions, form?: readonly string[]): Promise<ImageDiff> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-diff-"));
  const context = contextIn(dir.path, { tools: async () => await Promise.resolve(tools) });
  await using a = await openSystemImage(await imageIn(dir.path, "a", smallSystem), context);
  await using b = await openSystemImage(
    await imageIn(dir.path, "b", entries, { ...options, ...(form ? { form } : {}) }),
    context,
  );
  return await diffImages(a, b, context);
}

test("equal images differ in nothing", async () => {
  assert.equal((await diffOf(smallSystem)).same, true);
});

test("the same files compressed differ in the image, and in no file", async () => {
  const { same, facts, files } = await diffOf(smallSystem, {}, ["-zlz4hc", "-C65536"]);
  assert.equal(same, false);
  assert.deepEqual(
    Object.keys(facts).filter((key) => !["size", "root"].includes(key)),
    ["rootHash"],
  );
  assert.deepEqual(files, { added: [], removed: [], changed: [] });
});

const file = (path: string, more: Partial<TarEntry>): TarEntry => ({ ...smallSystem.find((one) => one.path === path)!, ...more });
for (const [what, entries, files] of [
  ["content of the same length", [file("etc/app.conf", { data: "one=2\n" })], { content: true }],
  ["length", [file("etc/app.conf", { data: "one=11\n" })], { size: [6, 7], content: true }],
  ["mode", [file("etc/app.conf", { mode: 0o600 })], { mode: ["0644", "0600"] }],
  ["set-uid", [file("etc/app.conf", { mode: 0o4644 })], { mode: ["0644", "4644"] }],
  ["owner", [file("etc/app.conf", { uid: 70_000, gid: 5 })], { owner: [0, 70_000], group: [0, 5] }],
  ["attribute", [file("etc/app.conf", { attributes: { "user.a": "1" } })], { attributes: true }],
  [
    "type",
    [{ path: "etc/app.conf", target: "other" }],
    { type: ["file", "link"], mode: ["0644", "0755"], target: [null, "other"] },
  ],
] as const) {
  test(`a file of another ${what} is told`, async () => {
    const { files: found, packages, users } = await diffOf([...without("etc/app.conf"), ...entries]);
    const [changed, ...more] = found.changed;
    assert.equal(changed?.path, "/etc/app.conf");
    const { ...differs } = changed.differs;
    if (what === "type") delete (differs as Record<string, unknown>)["mode"];
    const { ...expected } = files as Record<string, unknown>;
    if (what === "type") delete expected["mode"];
    assert.deepEqual(differs, expected);
    assert.deepEqual([more, found.added, found.removed], [[], [], []]);
    assert.deepEqual([packages.changed, users.added], [[], []]);
  });
}

test("packages, units, users, kernel and command line are told", async () => {
  const status = String(file("var/lib/dpkg/status", {}).data);
  const entries = [
    ...without(
      "var/lib/dpkg/status",
      "etc/passwd",
      "etc/systemd/system/multi-user.target.wants/app.service",
      "etc/systemd/system/masked.service",
    ),
    file("var/lib/dpkg/status", {
      data: status.replace("5.2.37-2", "5.2.38-1").replace("Package: libc6", "Package: musl"),
    }),
    file("etc/passwd", { data: String(file("etc/passwd", {}).data).replace("eve::1002", "eve:x:1003") }),
    { path: "usr/share/new", data: "new" },
  ];
  const diff = await diffOf(entries, {
    facts: { version: "1.2.4", kernel: "6.12.1-test" },
    commandLine: "petrify.roothash=x panic=6",
  });
  assert.deepEqual(diff.facts["version"], ["1.2.3", "1.2.4"]);
  assert.deepEqual(diff.facts["kernel"], ["6.12.0-test", "6.12.1-test"]);
  assert.deepEqual(diff.packages, {
    added: ["musl:amd64 2.41-12"],
    removed: ["libc6:amd64 2.41-12"],
    changed: [{ name: "bash:amd64", from: "5.2.37-2", to: "5.2.38-1" }],
  });
  assert.deepEqual(diff.units, { added: ["masked.service (multi-user.target)"], removed: ["app.service (multi-user.target)"] });
  assert.deepEqual(diff.masked, { added: [], removed: ["masked.service"] });
  assert.deepEqual(diff.users, {
    added: ["eve uid=1003 gid=1002 home=/home/eve shell=/bin/sh"],
    removed: ["eve uid=1002 gid=1002 home=/home/eve shell=/bin/sh login=no password"],
  });
  assert.deepEqual(diff.commandLine, { added: ["panic=6"], removed: ["panic=5"] });
  assert.ok(diff.files.added.some(({ path }) => path === "/usr/share/new"));
  assert.ok(diff.files.removed.some(({ path }) => path === "/etc/systemd/system/masked.service"));
});

test("the keys whose releases machines take are shown, and a list that they cannot read is said", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-inspect-"));
  const set = firstKeys([newKeyPair().publicKey], sha256);
  for (const [name, data] of [
    ["whole", encodeTrustedKeys(set)],
    ["broken", "{}"],
  ] as const) {
    const path = await imageIn(dir.path, name, [...smallSystem, { path: TRUSTED_KEYS_PATH.slice(1), data }]);
    const context = contextIn(dir.path);
    await using image = await openSystemImage(path, context);
    const { trust, notes } = await reportOf(image, context);
    assert.deepEqual(trust, name === "whole" ? set : undefined);
    assert.equal(/machines with this image take no release/.test(notes.join()), name === "broken");
  }
});
