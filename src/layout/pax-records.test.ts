import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { records } from "../../tests/support/tar.ts";
import { attributesOf, parsePaxRecords } from "./pax-records.ts";
import { aclOfText } from "./posix-acl-text.ts";

const key = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom("a", "B", ".", "%", "1") });

test("records are read as they were written, whatever bytes their values have", () => {
  fc.assert(
    fc.property(fc.dictionary(key, fc.uint8Array({ maxLength: 200 })), (pairs) => {
      const found = parsePaxRecords(records(pairs));
      if (typeof found === "string") assert.fail(found);
      assert.deepEqual(
        new Map([...found].map(([name, value]) => [name, [...value]])),
        new Map(Object.entries(pairs).map(([name, value]) => [name, [...value]])),
      );
    }),
  );
});

test("whatever an extended header has, it is read or it is said what is wrong", () => {
  const whole = records({
    path: "a/b",
    "SCHILY.xattr.user.x": "1",
    "SCHILY.acl.access": "user::rw-,user:1000:r-x",
    "LIBARCHIVE.xattr.user.y": "AQI",
  });
  let read = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 3 }),
      fc.nat(whole.length),
      fc.boolean(),
      (changes, cut, isCut) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        const found = parsePaxRecords(isCut ? bytes.subarray(0, cut) : bytes);
        if (typeof found === "string") return;
        read++;
        const attributes = attributesOf(found);
        if (typeof attributes !== "string")
          for (const [name, value] of attributes) assert.ok(/^(?:user|system)\./.test(name) && value.length >= 0);
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(read > 200, `${read}`);
});

test("an ACL is read or it is said what is wrong, and what is read is what the kernel takes", () => {
  const entry = fc.tuple(
    fc.constantFrom("user", "u", "group", "mask", "other", "x"),
    fc.oneof(fc.constant(""), fc.nat().map(String), fc.string()),
    fc.constantFrom("rwx", "r--", "---", "rw", "xwr"),
  );
  fc.assert(
    fc.property(
      fc.array(
        entry.map((parts) => parts.join(":")),
        { maxLength: 6 },
      ),
      fc.constantFrom("\n", ","),
      (lines, between) => {
        const acl = aclOfText(lines.join(between));
        if (!(acl instanceof Uint8Array)) return;
        assert.ok((acl.length - 4) % 8 === 0 && acl.length > 4);
        const view = new DataView(acl.buffer);
        const keys = Array.from(
          { length: (acl.length - 4) / 8 },
          (_, i) => view.getUint16(4 + 8 * i, true) * 2 ** 32 + view.getUint32(8 + 8 * i, true),
        );
        assert.deepEqual(
          keys,
          keys.toSorted((a, b) => a - b),
        );
        for (let i = 0; i < keys.length; i++) assert.ok(view.getUint16(6 + 8 * i, true) <= 7);
      },
    ),
  );
});
