import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mountAt, parseMountInfo, unescapeOctal } from "./mountinfo.ts";

test("a line with optional fields is read", () => {
  assert.deepEqual(parseMountInfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"), [
    {
      ...{ id: 36, parent: 35, point: "/mnt2", options: ["rw", "noatime"] },
      ...{ type: "ext3", source: "/dev/root", superOptions: ["rw", "errors=continue"] },
    },
  ]);
});

test("spaces, tabs, newlines and backslashes are unescaped", () => {
  const [mount] = parseMountInfo(String.raw`40 1 0:5 / /a\040b\011c\012d\134e rw - tmpfs my\040source rw`);
  assert.equal(mount?.point, "/a b\tc\nd\\e");
  assert.equal(mount.source, "my source");
  assert.equal(unescapeOctal(String.raw`\134040`), String.raw`\040`, "only once");
});

test("the mount that covers the others is the one that programs see", () => {
  const mounts = parseMountInfo(
    [
      "20 1 0:1 / / rw - erofs /dev/dm-0 ro",
      "32 31 0:4 / /home rw - tmpfs over rw",
      "31 20 0:3 / /home rw - ext4 /dev/vda1 rw",
      "33 20 0:5 / /home/x rw - tmpfs other rw",
    ].join("\n"),
  );
  assert.equal(mountAt(mounts, "/home")?.source, "over");
  assert.equal(mountAt(mounts, "/")?.type, "erofs");
  assert.equal(mountAt(mounts, "/srv"), undefined);
});

test("a root that is its own parent is found", () => {
  assert.equal(mountAt(parseMountInfo("1 1 0:1 / / rw - rootfs rootfs rw"), "/")?.type, "rootfs");
});

for (const line of ["", "36 35 98:0 / /mnt rw", "36 35 98:0 / /mnt rw - ext4 /dev/x", "x 35 98:0 / /mnt rw - ext4 /dev/x rw"]) {
  test(`${JSON.stringify(line)} is passed over`, () => assert.deepEqual(parseMountInfo(line), []));
}

test("any text gives a list, and any mount point comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const mounts = parseMountInfo(text);
      mountAt(mounts, "/");
      return Array.isArray(mounts);
    }),
  );
  const escape = (text: string): string =>
    text.replaceAll(/[ \t\n\\#]/g, (c) => `\\${c.codePointAt(0)!.toString(8).padStart(3, "0")}`);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.array(fc.constantFrom("shared:1", "master:2")), (name, optional) => {
      const point = `/${name}`;
      const line = ["7 1 8:1 / ", escape(point), " rw ", ...optional.map((o) => `${o} `), "- ext4 /dev/sda rw"].join("");
      assert.equal(mountAt(parseMountInfo(`${line}\n`), point)?.type, "ext4");
    }),
  );
});
