import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mountedUppers } from "./overlay-mounts.ts";

test("overlays are found with their upper layers; what is mounted over one hides it", () => {
  const text = [
    "22 1 254:0 / / ro,relatime shared:1 - erofs /dev/dm-0 ro",
    "30 22 0:28 / /etc rw,nodev - overlay overlay rw,lowerdir=/l,upperdir=/run/petrify/ephemeral/etc/upper,workdir=/w,uuid=on",
    "31 22 0:29 / /home rw,nosuid shared:7 master:1 - overlay overlay rw,lowerdir=/l,upperdir=/u/home/upper,workdir=/w",
    "32 22 0:30 / /srv rw - overlay overlay rw,lowerdir=/l,upperdir=/u/srv/upper,workdir=/w",
    "33 32 0:31 / /srv rw - tmpfs tmpfs rw",
    "34 22 0:32 / /ro ro - overlay overlay ro,lowerdir=/a:/b",
    "",
  ].join("\n");
  assert.deepEqual(
    [...mountedUppers(text)],
    [
      ["/etc", "/run/petrify/ephemeral/etc/upper"],
      ["/home", "/u/home/upper"],
    ],
  );
});

test("no text is too strange", () => {
  fc.assert(fc.property(fc.string(), (text) => assert.ok(mountedUppers(text) instanceof Map)));
});
