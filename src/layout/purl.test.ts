import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { PackageURL } from "packageurl-js";
import type { Package } from "./package.ts";
import { packageUrl } from "./purl.ts";

const one = (more: Partial<Package>): Package => ({
  ...{ kind: "deb", name: "bash", version: "5.2-1", architecture: "amd64", depends: [], provides: [] },
  ...more,
});
const debian = { ID: "debian", VERSION_ID: "13" };

for (const [what, os, url] of [
  [one({}), debian, "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-13"],
  [
    one({ name: "libstdc++6", version: "1:14.2.0-19+b1~x", source: { name: "gcc-14", version: "1" } }),
    debian,
    "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1~x?arch=amd64&distro=debian-13&upstream=gcc-14",
  ],
  [
    one({ kind: "rpm", name: "ImageMagick", version: "7-1.fc41", epoch: 1, architecture: "x86_64" }),
    { ID: "fedora", VERSION_ID: "41" },
    "pkg:rpm/fedora/ImageMagick@7-1.fc41?arch=x86_64&distro=fedora-41&epoch=1",
  ],
  [
    one({ kind: "apk", name: "musl", architecture: "x86_64" }),
    { ID: "alpine" },
    "pkg:apk/alpine/musl@5.2-1?arch=x86_64&distro=alpine",
  ],
  [one({}), {}, "pkg:deb/bash@5.2-1?arch=amd64"],
] as const) {
  test(`${what.name} is ${url}`, () => assert.equal(packageUrl(what, os), url));
}

test("whatever the names, another implementation reads the same out of it", () => {
  const text = fc
    .string({ unit: fc.constantFrom(...Array.from("aZ09.+~:-_/@?&=# %(ß")), minLength: 1 })
    .map((value) => `x${value}y`);
  fc.assert(
    fc.property(
      fc.constantFrom("deb", "rpm", "apk"),
      text,
      text,
      fc.stringMatching(/^[a-z][a-z0-9_.+:~-]{0,20}$/),
      (kind, name, version, id) => {
        const url = packageUrl(one({ kind, name, version }), { ID: id });
        const read = PackageURL.fromString(url);
        assert.deepEqual([read.type, read.name, read.version], [kind, kind === "rpm" ? name : name.toLowerCase(), version], url);
        assert.equal(read.qualifiers?.["distro"], id.toLowerCase());
      },
    ),
  );
});
