import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { encodeSeenFiles, nextSeenFiles, parseSeenFiles } from "./seen-files.ts";

const [A, B] = ["a".repeat(64), "b".repeat(64)];

test("what is known is read as it was written, in one order", () => {
  const seen = new Map([
    ["/etc/b", B],
    ["/etc/a", A],
  ]);
  assert.equal(encodeSeenFiles(seen), `{"format":1,"files":{"/etc/a":"${A}","/etc/b":"${B}"}}\n`);
  assert.deepEqual(parseSeenFiles(encodeSeenFiles(seen)), seen);
});

const REFUSED: readonly (readonly [what: string, text: string, code: string])[] = [
  ["a newer format", '{"format":2,"files":[]}', "SEEN_FILES_NEWER"],
  ["half a file", '{"format":1,"fil', "SEEN_FILES_INVALID"],
  ["no format", "{}", "SEEN_FILES_INVALID"],
  ["null", "null", "SEEN_FILES_INVALID"],
  ["a digest that is none", '{"format":1,"files":{"/a":"x"}}', "SEEN_FILES_INVALID"],
  ["a path that is not normal", `{"format":1,"files":{"/a/../b":"${A}"}}`, "SEEN_FILES_INVALID"],
];
for (const [what, text, code] of REFUSED) {
  test(`${what} is refused: ${code}`, () => assert.throws(() => parseSeenFiles(text), { code }));
}

test("any other text is refused as well", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseSeenFiles(text);
      } catch (error) {
        assert.ok(error instanceof AppError, String(error));
      }
    }),
  );
});

const STEPS: readonly (readonly [what: string, known: object, files: [string, string | undefined][], next: object])[] = [
  ["a copy that is new is recorded", {}, [["/etc/app/x", A]], { "/etc/app/x": A }],
  ["a digest that is known stays, whatever the image holds now", { "/etc/app/x": A }, [["/etc/app/x", B]], { "/etc/app/x": A }],
  ["a copy that is there stays", { "/etc/app/x": A }, [["/etc/app/x", undefined]], { "/etc/app/x": A }],
  ["a copy that is gone is forgotten", { "/etc/app/x": A }, [], {}],
  ["what is known of a folder that was not looked at stays", { "/srv/x": A }, [], { "/srv/x": A }],
  ["a file without an image's is not recorded", {}, [["/etc/app/x", undefined]], {}],
];
for (const [what, known, files, next] of STEPS) {
  test(what, () => {
    const seen = new Map(Object.entries(known) as [string, string][]);
    assert.deepEqual(Object.fromEntries(nextSeenFiles(seen, { folders: ["/etc/app"], files: new Map(files) })), next);
  });
}
