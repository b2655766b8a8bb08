import assert from "node:assert/strict";
import { test } from "node:test";
import { firstBoot, proofEnd, readProof, requireAll, secondBoot } from "./proof.ts";

const CONSOLE = `[    3.1] systemd[1]: Started something
quickstart login: 
PROOF 1 write-to-/ refused: Read-only file system
PROOF 1 write-to-/usr refused: Read-only file system
PROOF 1 replace-/usr/bin/sh refused: Read-only file system
PROOF 1 /etc absent
PROOF 1 /usr/local absent
PROOF 1 /oem absent
PROOF 1 end
SeaBIOS
PROOF 2 write-to-/ refused: Read-only file system
PROOF 2 /etc absent
PROOF 2 /usr/local found
PROOF 2 /oem found
PROOF 2 end
`;
const show = (findings: ReturnType<typeof firstBoot>): string[] => findings.map(({ what, outcome }) => `${what}: ${outcome}`);

test("the first boot's report becomes findings in words", () => {
  assert.match(CONSOLE, proofEnd(1));
  const findings = firstBoot(readProof(CONSOLE, 1));
  assert.deepEqual(show(findings), [
    "write to /: refused: Read-only file system",
    "write to /usr: refused: Read-only file system",
    "replace /usr/bin/sh: refused: Read-only file system",
    "change /etc: made",
    "change /usr/local: made",
    "change /oem: made",
  ]);
  requireAll(findings);
});

test("the second boot's report says what was kept", () => {
  const findings = secondBoot(readProof(CONSOLE, 2));
  assert.deepEqual(show(findings), ["the change in /etc: gone", "the change in /usr/local: kept", "the change in /oem: kept"]);
  requireAll(findings);
});

const broken: readonly (readonly [name: string, change: readonly [string, string], error: RegExp])[] = [
  [
    "a write that works",
    ["1 write-to-/usr refused: Read-only file system", "1 write-to-/usr allowed"],
    /write to \/usr: allowed$/,
  ],
  ["a change in /etc that is still there", ["2 /etc absent", "2 /etc found"], /the change in \/etc: kept$/],
  ["a change in /oem that is lost", ["2 /oem found", "2 /oem absent"], /the change in \/oem: gone$/],
  ["a report with a line missing", ["PROOF 2 /usr/local found\n", ""], /the change in \/usr\/local: not reported$/],
];
for (const [name, [from, to], error] of broken) {
  test(`${name} is refused`, () => {
    const console = CONSOLE.replace(from, to);
    assert.throws(() => requireAll([...firstBoot(readProof(console, 1)), ...secondBoot(readProof(console, 2))]), {
      code: "NOT_IMMUTABLE",
      message: error,
    });
  });
}
