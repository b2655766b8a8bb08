import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fstab, type DataPartition } from "../../layout/fstab.ts";
import { checkMounts } from "./mounts.ts";

const FSTAB = fstab(new Set(["oem", "persistent"]), ["/home", "/var/lib/my-app"]);
/** Of a running system, shortened. */
const WHOLE = `24 29 0:6 / /dev rw,nosuid,relatime shared:5 - devtmpfs devtmpfs rw,size=229972k,nr_inodes=57493,mode=755,inode64
29 1 253:0 / / ro,relatime shared:1 - erofs /dev/dm-0 ro,user_xattr,acl,cache_strategy=readaround
37 29 0:29 / /var rw,nodev,relatime shared:3 - overlay overlay rw,lowerdir=/run/petrify/root/var,uuid=on
38 29 0:32 / /tmp rw,nosuid,nodev,relatime shared:4 - tmpfs tmpfs rw,nr_inodes=1048576,inode64
53 29 254:7 / /usr/local rw,nodev,relatime shared:28 - ext4 /dev/vda7 rw
54 29 254:4 / /oem rw,nosuid,nodev,noexec,relatime shared:26 - ext4 /dev/vda4 rw
65 29 0:52 / /home rw,nosuid,nodev,relatime shared:30 - overlay overlay rw,lowerdir=/run/petrify/root/home,uuid=on
72 37 0:47 / /var/lib/my-app rw,relatime shared:33 - overlay overlay rw,uuid=on
`;
const without = (...points: string[]): string =>
  WHOLE.split("\n")
    .filter((line) => !points.some((point) => line.includes(` ${point} `)))
    .join("\n");
const NONE: ReadonlySet<DataPartition> = new Set();
const of = (...names: DataPartition[]): ReadonlySet<DataPartition> => new Set(names);

for (const [what, mountinfo, degraded, reason] of [
  ["everything is mounted", WHOLE, NONE, undefined],
  ["an overlay is missing", without("/home"), NONE, "/home is not mounted"],
  [
    "a partition and what lies on it is missing",
    without("/usr/local", "/home", "/var/lib/my-app"),
    NONE,
    "/usr/local is not mounted, /home is not mounted, /var/lib/my-app is not mounted",
  ],
  ["the same, but that partition is degraded", without("/usr/local", "/home", "/var/lib/my-app"), of("persistent"), undefined],
  ["the other partition is degraded", without("/home"), of("oem"), "/home is not mounted"],
  ["the small partition is missing and degraded", without("/oem"), of("oem"), undefined],
  ["the small partition is missing", without("/oem"), of("persistent"), "/oem is not mounted"],
  [
    "both are degraded, and /tmp is missing",
    without("/oem", "/usr/local", "/home", "/tmp"),
    of("oem", "persistent"),
    "/tmp is not mounted",
  ],
  ["something else lies over a mount", `${WHOLE}90 65 0:60 / /home rw - tmpfs tmpfs rw\n`, NONE, "/home is tmpfs, not overlay"],
  ["the list of mounts is empty", "", of("oem", "persistent"), "/tmp is not mounted"],
] as const) {
  test(`${what}: ${reason ?? "passes"}`, () => {
    assert.deepEqual(
      checkMounts({ fstab: FSTAB, mountinfo, degraded }),
      reason === undefined ? { ok: true } : { ok: false, reason },
    );
  });
}

for (const line of [
  "/dev/sdb1 /data xfs noauto 0 0",
  "/dev/sdb1 none swap sw 0 0",
  "/dev/sdb1 /home auto defaults 0 0",
  "/dev/sdb1 /home ext4,overlay defaults 0 0",
  "/srv /home none bind 0 0",
  "# /dev/sdb1 /data xfs defaults",
]) {
  test(`is no reason to fail: ${line}`, () => {
    assert.deepEqual(checkMounts({ fstab: line, mountinfo: WHOLE, degraded: NONE }), { ok: true });
  });
}

test("a mount that waits for its first use is mounted, if that is how it is declared", () => {
  const mountinfo = "52 25 0:42 / /data rw,relatime shared:25 - autofs systemd-1 rw,fd=38\n";
  const ok = (options: string): boolean =>
    checkMounts({ fstab: `/dev/sdb1 /data xfs ${options} 0 0`, mountinfo, degraded: NONE }).ok;
  assert.equal(ok("x-systemd.automount"), true);
  assert.equal(ok("defaults"), false);
});

test("any two texts give an outcome, and a degraded partition never makes it worse", () => {
  const points = fc.subarray(["/tmp", "/oem", "/usr/local", "/home", "/var/lib/my-app"]);
  fc.assert(
    fc.property(points, fc.subarray<DataPartition>(["oem", "persistent"]), (gone, names) => {
      const mountinfo = without(...gone);
      const strict = checkMounts({ fstab: FSTAB, mountinfo, degraded: NONE });
      assert.equal(strict.ok, gone.length === 0);
      if (strict.ok) assert.ok(checkMounts({ fstab: FSTAB, mountinfo, degraded: new Set(names) }).ok);
    }),
  );
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(text, text, (a, b) => typeof checkMounts({ fstab: a, mountinfo: b, degraded: NONE }).ok === "boolean"));
});
