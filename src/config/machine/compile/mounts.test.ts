/** File systems that a config mounts, folders that it keeps, and the partition that does not grow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compile, testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeFile } from "./fake-config.ts";

const mount = (where: string, what = "/dev/vdb") => ({ what, where, type: "ext4", options: "defaults", pass: 0 });

testMade([
  [
    "file systems",
    "debian",
    {
      mounts: [
        { what: "LABEL=data", where: "/var/lib/my-data", type: "auto", options: "defaults,noatime,nofail", pass: 2 },
        { what: "nas.example:/x", where: "/mnt", type: "nfs4", options: "ro,_netdev", pass: 0 },
      ],
    },
    {
      "/var/lib/my-data": "folder",
      "/etc/systemd/system/var-lib-my\\x2ddata.mount": /What=LABEL=data\nWhere=\/var\/lib\/my-data\nOptions=noatime\n/,
      "/etc/systemd/system/mnt.mount": /\[Mount\]\nWhat=nas\.example:\/x\nWhere=\/mnt\nType=nfs4\nOptions=ro\n/,
      "/etc/systemd/system/remote-fs.target.wants/mnt.mount": "-> /etc/systemd/system/mnt.mount",
    },
  ],
  [
    "file systems of OpenRC",
    "alpine",
    { mounts: [{ what: "/dev/vdb1", where: "/var/lib/a", type: "ext4", options: "defaults,ro", pass: 2 }] },
    {
      "/etc/init.d/config-mounts":
        /mountpoint -q \/var\/lib\/a \|\| mount -t ext4 -o ro \/dev\/vdb1 \/var\/lib\/a \|\| failed=1[^]*stop\(\)[^]*! mountpoint -q \/var\/lib\/a \|\| umount \/var\/lib\/a/,
      "/etc/runlevels/default/config-mounts": "-> /etc/init.d/config-mounts",
    },
  ],
  ["a partition that does not grow", "debian", { grow: false }, { "/etc/systemd/system/petrify-grow.service": "-> /dev/null" }],
]);

testRefused([
  ["a persistent folder of units", { persistent: ["/etc/systemd/system"] }, /persist\[\/etc\/systemd\/system\]: holds units/],
  ["a persistent folder that the image lacks", { persistent: ["/data"] }, /make the folder in the recipe/],
  ["a persistent folder around another", { persistent: ["/var/lib/app/x", "/var/lib/app"] }, /contains \/var\/lib\/app\/x/],
  ["a persistent folder that is a link", { persistent: ["/etc/x/y"] }, /leads through one/, { "/etc/x": { link: "/usr" } }],
  ["a file system over the image", { mounts: [mount("/usr/share")] }, /mounts\[\/usr\/share\]: is part of the image/],
  ["a file system over petrify's own", { mounts: [mount("/oem/petrify")] }, /is petrify's own/],
  ["a file system over a persistent folder", { mounts: [mount("/srv")] }, /is a folder that is mounted/],
  ["a device of two lines", { mounts: [mount("/mnt", "/dev/vdb\nWhere=/usr")] }, /must be a device/],
]);

test("a folder that the image keeps already needs nothing", () => {
  const { compiled } = compile({ persistent: ["/var/log/app", "/opt", "/var/lib/app", "/var/lib/app"] });
  assert.deepEqual(compiled.persistent, ["/var/lib/app"]);
  assert.equal(compile({ persistent: ["/var/lib/app"], files: [fakeFile("/var/lib/app/x")] }).compiled.entries[0]?.when, "data");
});
