import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { licencesOfCopyright } from "./copyright.ts";

const FORM = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: demo
License: GPL-2+

Files: *
Copyright: 2020 Somebody
License: GPL-2+
 The text.

Files: lib/*
Copyright: 2021 Another
License: Expat or
License: ignored

Files: doc/*
License:   GPL-2+  and   GFDL-1.3

License: BSD-3-clause
 A text that others name.
`;

test("the names of licences are taken from the paragraphs of files", () => {
  assert.deepEqual(licencesOfCopyright(FORM), ["Expat or", "GPL-2+", "GPL-2+ and GFDL-1.3"]);
});
test("a file in words has none to be read", () => {
  assert.equal(licencesOfCopyright("This package was put together by…\n\nLicense: GPL\n"), undefined);
});
test("whatever the text, reading it ends", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void licencesOfCopyright(`Format: 1\n\nFiles: *\n${text}`)));
});
