import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseDpkgStatus } from "./dpkg-status.ts";

const STATUS = `Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 13016
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.41-12
Replaces: libc6-amd64
Depends: libgcc-s1, libcrypt1 (>= 1:4.4.10-10) | libcrypt2:any [amd64],
 libidn2-0 (>= 2.0.5~)
Description: GNU C Library
 Contains: nothing
 .
 Depends: is no field here

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.37-2)
Version: 5.2.37-2+b10
Pre-Depends: libc6
Provides: sh, posix-shell (= 1)

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: half
Status: install ok half-configured
Version: 1

Status: install ok installed
Version: nameless
`;

test("packages that are installed are read, with what they were built from and what they need", () => {
  assert.deepEqual(parseDpkgStatus(STATUS), [
    {
      ...{ kind: "deb", name: "libc6", version: "2.41-12", architecture: "amd64" },
      source: { name: "glibc", version: "2.41-12" },
      maintainer: "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
      installedSize: 13016 * 1024,
      depends: [["libgcc-s1"], ["libcrypt1", "libcrypt2"], ["libidn2-0"]],
      provides: [],
    },
    {
      ...{ kind: "deb", name: "bash", version: "5.2.37-2+b10", architecture: "amd64" },
      source: { name: "bash", version: "5.2.37-2" },
      depends: [["libc6"]],
      provides: ["sh", "posix-shell"],
    },
  ]);
});

test("a paragraph without a status is a package, as images without dpkg have it", () => {
  const [found] = parseDpkgStatus("Package: tzdata\nVersion: 2025b\nArchitecture: all\n");
  assert.deepEqual([found?.name, found?.version, found?.source?.name], ["tzdata", "2025b", "tzdata"]);
});

test("whatever the text, reading it ends, and packages have names and versions", () => {
  const word = fc.constantFrom(
    "Package: ",
    "Version: ",
    "Status: ",
    "Depends:",
    " ",
    "\n",
    "\n\n",
    "a",
    "|",
    ",",
    "(",
    "installed",
    "Source: x (",
    "\t",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(word).map((words) => words.join("")),
      ),
      (text) => {
        for (const { name, version } of parseDpkgStatus(text)) assert.ok(name !== "" && version !== "");
      },
    ),
    { numRuns: 1000 },
  );
});
