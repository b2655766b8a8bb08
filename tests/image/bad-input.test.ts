import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CACHE, petrify, recipe, workspace, type CliRun } from "../support/cli.ts";
import { assertNothingLeft, machine } from "../support/leftovers.ts";

function assertOneError({ exitCode, events, stderr }: CliRun, code: string, message: RegExp, hint: RegExp): void {
  const errors = events.filter(({ type }) => type === "error");
  assert.equal(errors.length, 1, `one error, not ${JSON.stringify(errors)}\n${stderr}`);
  const [error] = errors;
  assert.equal(error!["code"], code, JSON.stringify(error));
  assert.match(String(error!["message"]), message);
  assert.match(String(error!["hint"]), hint);
  assert.equal(exitCode, 1);
}

const KEY = `-----BEGIN OPENSSH PRIVATE KEY-----\n${"QUJDREVGR0g".repeat(6)}\n-----END OPENSSH PRIVATE KEY-----\n`;
const cases: [name: string, files: Record<string, string>, code: string, message: RegExp, hint: RegExp][] = [
  [
    "an unknown key",
    { "petrify.yaml": recipe("packges: [vim]\n") },
    "RECIPE_INVALID",
    /petrify\.yaml:4:1: .*packges/,
    /packages/,
  ],
  [
    "an unknown package",
    { "petrify.yaml": recipe("packages: [no-such-package]\n") },
    "PACKAGE_UNKNOWN",
    /no-such-package/,
    /packages/,
  ],
  ["no kernel", { "petrify.yaml": recipe("kernel: { flavour: none }\n") }, "KERNEL_MISSING", /no kernel/, /kernel\.flavour/],
  [
    "two kernels",
    { "petrify.yaml": recipe("packages: [linux-image-rt-amd64]\n") },
    "KERNEL_AMBIGUOUS",
    /2 kernels: .*cloud.*rt|2 kernels: .*rt.*cloud/,
    /kernel\.flavour/,
  ],
  [
    "an unknown unit",
    { "petrify.yaml": recipe("units: { enable: [no-such.service] }\n") },
    "UNIT_UNKNOWN",
    /no-such\.service/,
    /packages/,
  ],
  [
    "a file that is not there",
    { "petrify.yaml": recipe("files: [{ source: nothing, target: /etc/nothing }]\n") },
    "FILE_MISSING",
    /nothing/,
    /relative to the recipe/,
  ],
  [
    "a private key in the tree",
    { "petrify.yaml": recipe("files: [{ source: tree, target: / }]\n"), "tree/etc/ssl/site.key": KEY },
    "PRIVATE_KEY_FOUND",
    /\/etc\/ssl\/site\.key/,
    /configuration/,
  ],
  [
    "a file where the running system mounts something",
    { "petrify.yaml": recipe("files: [{ source: tree, target: / }]\n"), "tree/usr/local/bin/tool": "x" },
    "FILE_HIDDEN",
    /tree\/usr\/local\/bin\/tool would lie in \/usr\/local/,
    /elsewhere/,
  ],
  [
    "a user in a group that is not there",
    { "petrify.yaml": recipe("users: [{ name: ann, groups: [nope] }]\n") },
    "GROUP_UNKNOWN",
    /nope/,
    /There are: /,
  ],
  [
    "an image larger than its slot",
    { "petrify.yaml": recipe("disk: { slotSize: 64MiB }\n") },
    "IMAGE_TOO_LARGE",
    /does not fit a slot of 64 MiB/,
    /slot/,
  ],
  [
    "a lock that is damaged",
    { "petrify.yaml": recipe(), "petrify.lock": "format: 1\n" },
    "LOCK_INVALID",
    /petrify\.lock: /,
    /version control/,
  ],
];

for (const [name, files, code, message, hint] of cases) {
  test(`petrify build with ${name}: one error with a hint, exit 1, nothing half made`, { timeout: 600_000 }, async () => {
    await using user = await workspace(files);
    const before = await machine();
    const run = await petrify(["build", "--json", "--output", "disk"], { cwd: user.folder });
    assertOneError(run, code, message, hint);
    if (files["petrify.lock"]) await rm(join(user.folder, "petrify.lock")); // the user's own
    await assertNothingLeft(user.folder, CACHE, before);
  });
}
