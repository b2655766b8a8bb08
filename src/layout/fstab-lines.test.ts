import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fstab } from "./fstab.ts";
import { dataPartitionOf, mountUnit, parseFstab } from "./fstab-lines.ts";

test("the fstab of a boot says which of its lines need which data partition", () => {
  const lines = parseFstab(fstab(new Set(["oem", "persistent"]), ["/home", "/var/lib/my-app"]));
  assert.deepEqual(
    lines.map((line) => [line.point, line.type, dataPartitionOf(line)]),
    [
      ["/tmp", "tmpfs", undefined],
      ["/oem", "ext4", "oem"],
      ["/usr/local", "ext4", "persistent"],
      ["/home", "overlay", "persistent"],
      ["/var/lib/my-app", "overlay", "persistent"],
    ],
  );
  assert.ok(lines[1]!.options.includes("nofail"));
});

test("comments, escapes, tabs and missing options are read as fstab(5) says", () => {
  assert.deepEqual(parseFstab("# no\n\n \t# no\n/dev/sdb1\t/my\\040disk  ext4\nhalf a\n/dev/sdb2 none swap sw,pri=1 0 0"), [
    { spec: "/dev/sdb1", point: "/my disk", type: "ext4", options: ["defaults"] },
    { spec: "/dev/sdb2", point: "none", type: "swap", options: ["sw", "pri=1"] },
  ]);
});

test("a folder beside /usr/local is not in it", () => {
  const [line] = parseFstab("tmpfs /usr/localhost tmpfs upperdir=/usr/localx/a 0 0");
  assert.equal(dataPartitionOf(line!), undefined);
});

/** As `systemd-escape --path --suffix=mount` prints them. */
for (const [point, unit] of [
  ["/", "-.mount"],
  ["/home", "home.mount"],
  ["/usr/local", "usr-local.mount"],
  ["/var/lib/my-app", String.raw`var-lib-my\x2dapp.mount`],
  ["//srv//a/", "srv-a.mount"],
  ["/.hidden/.x", String.raw`\x2ehidden-.x.mount`],
  ["/é a", String.raw`\xc3\xa9\x20a.mount`],
] as const) {
  test(`the unit of ${point} is ${unit}`, () => assert.equal(mountUnit(point), unit));
}

test("any text gives lines", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => parseFstab(text).every((line) => mountUnit(line.point) && line.type)),
  );
});
