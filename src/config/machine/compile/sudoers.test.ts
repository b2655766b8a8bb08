import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { whyNoSudoRule } from "./sudoers.ts";

for (const rule of [
  "ALL=(ALL) NOPASSWD:ALL",
  "ALL=(ALL:ALL) ALL",
  "ALL = (root) NOPASSWD: /usr/bin/systemctl restart nginx.service, /usr/bin/journalctl",
  "web*,!db1=(www-data:www-data) SETENV: NOPASSWD: /opt/app/bin/",
  "ALL=() /usr/bin/id",
  "ALL=ALL",
  "ALL=(%wheel) NOEXEC: /usr/bin/vi, !/usr/bin/su",
  String.raw`ALL=/usr/bin/mount -o ro\,noexec /dev/sdb1 /mnt`,
  "ALL=sudoedit /etc/hosts",
  "web=(root) CWD=/srv /usr/bin/make : db=(postgres) ALL",
  "ALL=(ALL) sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= /usr/bin/true",
]) {
  test(`sudo reads ${rule}`, () => {
    assert.equal(whyNoSudoRule(rule), undefined);
  });
}

for (const [rule, why] of [
  ["ALL", /does not begin with hosts/],
  ["", /not one line/],
  ["ALL=(ALL) ALL\nroot ALL=(ALL) ALL", /not one line/],
  ["ALL=(ALL NOPASSWD:ALL", /no command/],
  ["ALL=(ALL) NOPASSWD", /cannot be read|no command/],
  ["ALL=(ALL) usr/bin/id", /no command/],
  ["ALL=(ALL) /usr/bin/id,", /no command/],
  ["ALL=(ALL) /usr/bin/mount -o a=b", /cannot be read/],
  ["ALL=(ALL) ALL # everything", /cannot be read/],
  [String.raw`ALL=(ALL) ALL \ `, /cannot be read/],
  ["ALL=(ALL) NOPASSWORD: ALL", /does not begin with hosts/],
  ["ALL=(ALL) ALL\u{202e}", /not one line/],
  // Found by generating rules and asking `visudo -c`.
  ["ALL=/", /no command/],
  ["ALL=sha256:AAAA /bin/a", /no command/],
  ["ALL=(ALL) NOPASSWD: CWD=/x /bin/a", /cannot be read/],
  ["ALL=TYPE=t /bin/a", /no command|cannot be read/],
  ["web, CWD=/x ALL", /does not begin with hosts/],
  ["sudoedit= /root", /does not begin with hosts/],
  ["ALL=(sha256:AAAA) ALL", /no command/],
  ["ALL=!SETENV: ALL=ALL", /no command/],
  ["ALL=/bin/ -x", /cannot be read/],
  [String.raw`ALL=/bin/\(x`, /cannot be read/],
] as const) {
  test(`sudo would not read ${JSON.stringify(rule)}`, () => {
    assert.match(whyNoSudoRule(rule) ?? "it is taken", why);
  });
}

test("a rule that is taken is one line, whatever is asked", () => {
  const words = fc.array(fc.constantFrom("ALL", "=", "(", ")", ":", ",", "/bin/a", "NOPASSWD", " ", "\n", "!", "#", "\\"), {
    maxLength: 14,
  });
  fc.assert(
    fc.property(words, (parts) => {
      const rule = parts.join("");
      if (whyNoSudoRule(rule) === undefined) assert.doesNotMatch(rule, /[\n#]/);
    }),
    { numRuns: 1000 },
  );
});
