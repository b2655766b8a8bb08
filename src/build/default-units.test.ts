import assert from "node:assert/strict";
import { mkdtempDisposable, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { rootFs, type RootFs } from "../host/rootfs.ts";
import { parseRecipe } from "../config/parse-recipe.ts";
import { dropEmptyModuleList, maskIdleUnits, offerEnrolment, startConsolesAtOnce } from "./default-units.ts";
import type { Tree } from "./tree.ts";

const UNITS = "/usr/lib/systemd/system";
const GENERATORS = "/usr/lib/systemd/system-generators";

async function tree(files: readonly string[]): Promise<Tree & AsyncDisposable> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-units-"));
  const fs = rootFs(folder.path);
  for (const path of files) await fs.write(path, "");
  const tool: Tree["tool"] = () => Promise.reject(new Error("no tool is needed"));
  return { fs, tool, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}
const isMasked = async (fs: RootFs, path: string): Promise<boolean> =>
  (await readlink(join(fs.folder, path)).catch(() => "")) === "/dev/null";
const recipe = (units: string): ReturnType<typeof parseRecipe> =>
  parseRecipe(
    `apiVersion: petrify/v1\nname: x\nversion: 1.0.0\nbase:\n  suite: trixie\nunits:\n  enable: [${units}]\n`,
    "petrify.yaml",
  );

test("units without work are masked where they are, an instance where its template is", async () => {
  await using t = await tree([`${UNITS}/ldconfig.service`, `${UNITS}/modprobe@.service`]);
  await maskIdleUnits(t, recipe(""));
  for (const unit of ["ldconfig.service", "modprobe@drm.service"])
    assert.ok(await isMasked(t.fs, `/etc/systemd/system/${unit}`), unit);
  assert.equal(await isMasked(t.fs, "/etc/systemd/system/apt-daily.timer"), false);
});

test("a unit that the recipe enables is not masked", async () => {
  await using t = await tree([`${UNITS}/ldconfig.service`]);
  await maskIdleUnits(t, recipe("ldconfig.service"));
  assert.equal(await isMasked(t.fs, "/etc/systemd/system/ldconfig.service"), false);
});

test("a file that the recipe brings is neither masked nor replaced", async () => {
  const own = ["/etc/systemd/system/ldconfig.service", "/etc/systemd/system-generators/systemd-run-generator"];
  const console = `${UNITS}/serial-getty@ttyS0.service`;
  await using t = await tree([
    `${UNITS}/ldconfig.service`,
    `${UNITS}/serial-getty@.service`,
    `${GENERATORS}/systemd-run-generator`,
  ]);
  for (const path of [...own, console]) await t.fs.write(path, "mine");
  await maskIdleUnits(t, recipe(""));
  await startConsolesAtOnce(t, ["ttyS0"]);
  for (const path of [...own, console]) assert.equal(await t.fs.read(path), "mine", path);
});

test("a second run of a job is masked only where the first one is", async () => {
  const second = "systemd-tmpfiles-setup-dev.service";
  for (const first of [[], ["systemd-tmpfiles-setup-dev-early.service"]]) {
    await using t = await tree([second, ...first].map((unit) => `${UNITS}/${unit}`));
    await maskIdleUnits(t, recipe(""));
    assert.equal(await isMasked(t.fs, `/etc/systemd/system/${second}`), first.length > 0);
  }
});

for (const [what, files, masked] of [
  ["every init script has a unit", ["/etc/init.d/dbus", `${UNITS}/dbus.service`], true],
  ["an init script has no unit", ["/etc/init.d/dbus", "/etc/init.d/own", `${UNITS}/dbus.service`], false],
] as const) {
  test(`where ${what}, the generator for init scripts is ${masked ? "" : "not "}masked`, async () => {
    const name = "systemd-sysv-generator";
    await using t = await tree([...files, `${GENERATORS}/${name}`]);
    await maskIdleUnits(t, recipe(""));
    assert.equal(await isMasked(t.fs, `/etc/systemd/system-generators/${name}`), masked);
  });
}

test("the login prompt of the kernel's console waits for no device, everything else of its unit stays", async () => {
  await using t = await tree([]);
  const rest = "[Service]\nTTYPath=/dev/%I\n";
  const template = `[Unit]\nBindsTo=dev-%i.device\nAfter=dev-%i.device systemd-user-sessions.service\n${rest}`;
  await t.fs.write(`${UNITS}/serial-getty@.service`, template);
  await startConsolesAtOnce(t, ["ttyS0"]);
  assert.equal(await t.fs.read(`${UNITS}/serial-getty@ttyS0.service`), `[Unit]\nAfter=systemd-user-sessions.service\n${rest}`);
});

for (const [name, before, after] of [
  [
    "keeps its options",
    "-/sbin/agetty -o '-- \\\\u' --noreset --noclear - $TERM",
    "-/sbin/agetty --login-program /usr/lib/petrify/login -o '-- \\\\u' --noreset --noclear - $TERM",
  ],
  ["that logs somebody in stays as it is", "-/sbin/agetty --autologin root %I $TERM", undefined],
  ["of another program stays as it is", "/usr/bin/own-login %I", undefined],
] as const) {
  test(`a login prompt ${name} where it offers another owner`, async () => {
    await using t = await tree([]);
    await t.fs.write(`${UNITS}/getty@.service`, `[Service]\nExecStart=${before}\nType=idle\n`);
    await offerEnrolment(t);
    const found = await t.fs.read(`${UNITS}/getty@.service.d/50-petrify-enrol.conf`);
    assert.equal(found, after && `[Service]\nExecStart=\nExecStart=${after}\n`);
  });
}

for (const [list, kept] of [
  ["# nothing\n\n", false],
  ["# one\nloop\n", true],
] as const) {
  test(`a list of modules that names ${kept ? "one stays" : "none goes"}`, async () => {
    await using t = await tree([]);
    await t.fs.write("/etc/modules", list);
    await t.fs.link("/etc/modules-load.d/modules.conf", "../modules");
    await dropEmptyModuleList(t);
    assert.equal((await t.fs.list("/etc/modules-load.d")).length, kept ? 1 : 0);
  });
}
