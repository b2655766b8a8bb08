import assert from "node:assert/strict";
import { mkdtempDisposable, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseRecipe } from "../config/parse-recipe.ts";
import { rootFs, type RootFs } from "../host/rootfs.ts";
import { setServices } from "./openrc.ts";

/** Services of an image, each with the runlevel that its package has put it in. */
const SERVICES: Readonly<Record<string, string | undefined>> = {
  ssh: "default",
  dbus: "default",
  "mountall.sh": "sysinit",
  "hwclock.sh": "sysinit",
  savecache: "off",
  idle: undefined,
};

async function image(): Promise<RootFs & AsyncDisposable> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-openrc-"));
  const fs = rootFs(folder.path);
  for (const [name, runlevel] of Object.entries(SERVICES)) {
    await fs.write(`/etc/init.d/${name}`, "#!/bin/sh\n", 0o755);
    if (runlevel) await fs.link(`/etc/runlevels/${runlevel}/${name}`, `/etc/init.d/${name}`);
  }
  return { ...fs, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}
const recipe = (units: string): ReturnType<typeof parseRecipe> =>
  parseRecipe(
    `apiVersion: petrify/v1\nname: x\nversion: 1.0.0\nbase:\n  suite: trixie\ninit: openrc\nunits: ${units}\n`,
    "petrify.yaml",
  );
const runlevel = async (fs: RootFs, name: string): Promise<string[]> => (await fs.list(`/etc/runlevels/${name}`)).toSorted();

for (const name of ["idle", "idle.service"]) {
  test(`units.enable: [${name}] starts the service idle in the default runlevel, by the link that rc-update makes`, async () => {
    await using fs = await image();
    await setServices(fs, recipe(`{ enable: [${name}] }`));
    assert.deepEqual(await runlevel(fs, "default"), ["dbus", "idle", "ssh"]);
    assert.equal(await readlink(join(fs.folder, "etc/runlevels/default/idle")), "/etc/init.d/idle");
  });
}

test("a service that another runlevel starts already stays there when it is enabled", async () => {
  await using fs = await image();
  await setServices(fs, recipe("{ enable: [hwclock.sh] }"));
  assert.deepEqual(await runlevel(fs, "default"), ["dbus", "ssh"]);
  assert.deepEqual(await runlevel(fs, "sysinit"), ["hwclock.sh"]);
});

test("a disabled service is in no runlevel, and its script stays", async () => {
  await using fs = await image();
  await setServices(fs, recipe("{ disable: [ssh.service, hwclock.sh] }"));
  assert.deepEqual([await runlevel(fs, "default"), await runlevel(fs, "sysinit")], [["dbus"], []]);
  assert.ok(await fs.exists("/etc/init.d/ssh"));
});

test("what asks a person when data is damaged, and what has no work, starts only where the recipe enables it", async () => {
  await using fs = await image();
  await setServices(fs, recipe("{ enable: [mountall.sh] }"));
  assert.deepEqual(await runlevel(fs, "sysinit"), ["hwclock.sh", "mountall.sh"]);
  assert.deepEqual(await runlevel(fs, "off"), []);
  await using other = await image();
  await setServices(other, recipe("{}"));
  assert.deepEqual(await runlevel(other, "sysinit"), ["hwclock.sh"]);
});

for (const verb of ["enable", "disable"]) {
  test(`units.${verb} of a service that the image has not is refused by name`, async () => {
    await using fs = await image();
    await assert.rejects(setServices(fs, recipe(`{ ${verb}: [ssh, nginx.service] }`)), {
      code: "UNIT_UNKNOWN",
      message: `units.${verb}: the image has no service nginx`,
    });
  });
}

test("OpenRC's own scripts for what petrify does are gone, and nothing sets the clock to the hardware's", async () => {
  await using fs = await image();
  for (const [name, level] of Object.entries({ root: "boot", fsck: "boot", localmount: "boot", mtab: "boot", hwclock: "boot" })) {
    await fs.write(`/etc/init.d/${name}`, "#!/sbin/openrc-run\n", 0o755);
    await fs.link(`/etc/runlevels/${level}/${name}`, `/etc/init.d/${name}`);
  }
  await setServices(fs, recipe("{}"));
  assert.deepEqual(await runlevel(fs, "boot"), []);
  const scripts = await fs.list("/etc/init.d");
  for (const name of ["root", "fsck", "localmount", "mtab"]) assert.ok(!scripts.includes(name), name);
  assert.ok(scripts.includes("hwclock"));
});
