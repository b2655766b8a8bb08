import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRecipe } from "./parse-recipe.ts";

const recipe = (text: string): ReturnType<typeof parseRecipe> =>
  parseRecipe(`apiVersion: petrify/v1\nname: x\nversion: 1.0.0\nbase:\n  suite: trixie\n${text}`, "petrify.yaml");

test("an image is open unless its recipe says otherwise", () => {
  assert.equal(recipe("").profile, "open");
  assert.deepEqual(recipe("profile: sealed\n").sealed, { keep: [], remove: [], modules: [] });
});

for (const [what, text, said] of [
  ["exceptions of an open image", "sealed: { modules: [nf_tables] }", /sealed\.modules: needs `profile: sealed`/],
  ["an exception without a reason", "profile: sealed\nsealed: { keep: [{ path: /bin/sh }] }", /reason/],
  ["OpenRC", "profile: sealed\ninit: openrc", /profile: sealed needs systemd/],
  [
    "a key of SSH",
    "profile: sealed\nusers: [{ name: a, sshKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA] }]",
    /users\[0\]\.sshKeys: is for a login/,
  ],
  ["a user's shell", "profile: sealed\nusers: [{ name: a, shell: /bin/bash }]", /users\[0\]\.shell: is for a login/],
  ...[
    "systemd.debug_shell",
    "systemd.unit=rescue.target",
    "single",
    "sysrq_always_enabled=1",
    "systemd.run=/x",
    "systemd.import-credentials=yes",
    "rd.break",
  ].map(
    (word) =>
      [word, `profile: sealed\nkernel: { cmdline: ["${word}"] }`, /kernel\.cmdline\[0\]: would open a sealed image: /] as const,
  ),
  ["kept rules of udev", "profile: sealed\npersistent: [/etc/udev]", /persistent\[0\]: would open a sealed image/],
  ["kept tables of cron", "profile: sealed\npersistent: [/var/spool]", /persistent\[0\]: would open a sealed image/],
] as const)
  test(`refused: ${what}`, () => assert.throws(() => recipe(text), { message: said }));

test("an open image may have all of that, and a sealed one other words", () => {
  recipe(
    "users: [{ name: a, shell: /bin/bash }]\nkernel: { cmdline: [systemd.debug_shell, single] }\ninit: openrc\npersistent: [/etc/udev]",
  );
  recipe(
    "profile: sealed\nkernel: { cmdline: [quiet, console=ttyS1, mitigations=auto] }\nusers: [{ name: a, groups: [adm] }]\npersistent: [/var/lib/app]",
  );
});
