import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isOn, listOf, parseUnitFile, valueOf, wordsOf } from "./unit-file.ts";

const TEXT = `stray=1
[Unit]
# a comment
Description = A \\
  unit
; another
Wants=a.service b.service
Wants=
Wants=c.service

[Service]
ExecStart=/usr/bin/a \\
# in between
  --one
PrivateTmp=yes
User=x
User=
[Broken
no setting
`;
const settings = parseUnitFile(TEXT);

test("settings have their section; lines that go on are one, comments between them are passed over", () => {
  assert.deepEqual(
    settings.map(({ section, key, value }) => `${section}.${key}=${value}`),
    [
      ".stray=1",
      "Unit.Description=A  unit",
      ...["Unit.Wants=a.service b.service", "Unit.Wants=", "Unit.Wants=c.service"],
      ...["Service.ExecStart=/usr/bin/a  --one", "Service.PrivateTmp=yes", "Service.User=x", "Service.User="],
    ],
  );
});

test("an empty value takes back those before it", () => {
  assert.deepEqual(listOf(settings, "Unit", "Wants"), ["c.service"]);
  assert.equal(valueOf(settings, "Service", "User"), undefined);
  assert.deepEqual(listOf(settings, "Unit", "Requires"), []);
});

for (const [value, want] of [
  ...(["yes", "1", "true", "on", "YES"] as const).map((one) => [one, true] as const),
  ...(["no", "0", "", "maybe"] as const).map((one) => [one, false] as const),
]) {
  test(`"${value}" is ${want ? "on" : "off"}`, () => {
    assert.equal(isOn(parseUnitFile(`[Socket]\nAccept=${value}`), "Socket", "Accept"), want);
  });
}

test("quotes go around words", () => {
  assert.deepEqual(wordsOf(`/bin/a "two words" 'b'c  d`), ["/bin/a", "two words", "bc", "d"]);
});

test("any text is read", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseUnitFile(text)));
});
