import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import type { InstallWish } from "../layout/install-words.ts";
import { parseMachineConfig } from "./machine-config.ts";

const HEAD = "#cloud-config\n";

const UNDERSTOOD: Readonly<Record<string, [text: string, install: InstallWish]>> = {
  "an empty one": [HEAD, {}],
  "one whose only line has no end": ["#cloud-config", {}],
  "one with the line ends of Windows": ["#cloud-config\r\ninstall:\r\n  device: auto\r\n", { device: "auto" }],
  "one of another program": [
    `${HEAD}users: [{ name: x, ssh_keys: [a] }]\nruncmd:\n  - [ls]\nbinary: !!binary aGk=\nown: !tag x\n`,
    {},
  ],
  "all of install": [
    `${HEAD}install: { device: /dev/sda, wipe: true, after: stay }`,
    { device: "/dev/sda", wipe: true, after: "stay" },
  ],
  "one beside others": [`${HEAD}hostname: x\ninstall:\n  device: "serial:A1"\n`, { device: "serial:A1" }],
  "a size that YAML would take for nothing else": [`${HEAD}install: { device: "size:>=100G" }`, { device: "size:>=100G" }],
  "an empty install": [`${HEAD}install: {}`, {}],
  "what an alias stands for": [`${HEAD}x: &x auto\ninstall: { device: *x }`, { device: "auto" }],
};
for (const [name, [text, install]] of Object.entries(UNDERSTOOD)) {
  test(`a machine config is understood: ${name}`, () => assert.deepEqual(parseMachineConfig(text, "m.yaml"), { install }));
}

const REFUSED: Readonly<Record<string, [text: string, message: RegExp, hint?: RegExp]>> = {
  "without the first line of a cloud-config": ["install: {}\n", /^m\.yaml:1:1: .*#cloud-config$/],
  "that is a script": ["#!/bin/sh\n", /^m\.yaml:1:1: /],
  "with a wrong key": [
    `${HEAD}install:\n  devise: auto\n`,
    /^m\.yaml:3:3: install\.devise: is not a key/,
    /Did you mean install\.device\?/,
  ],
  "with a key of nobody": [`${HEAD}install: { zzzzzzz: 1 }`, /^m\.yaml:2:12: install\.zzzzzzz/, /Keys here: device, wipe, after/],
  "with a word in place of true": [
    `${HEAD}install:\n  wipe: yes\n`,
    /^m\.yaml:3:9: install\.wipe: must be true or false, found "yes"$/,
  ],
  "with an ending that nobody knows": [
    `${HEAD}install: { after: halt }`,
    /install\.after: must be reboot or poweroff or stay, found "halt"/,
  ],
  "with a number for a disk": [`${HEAD}install: { device: 5 }`, /install\.device: must be the name of a disk, found "5"/],
  "with no disk at all": [
    `${HEAD}install:\n  device:\n`,
    /^m\.yaml:3:\d+: install\.device: must be the name of a disk, found nothing/,
  ],
  "with two mistakes": [`${HEAD}install: { wipe: 1, devise: x }`, /install\.wipe[^]*\n[^]*install\.devise/],
  "whose install is a word": [`${HEAD}install: auto`, /^m\.yaml:2:1: install: must be a mapping/],
  "that is a list": [`${HEAD}- a\n`, /^m\.yaml:2:1: the document must be a mapping/],
  "that is no YAML": [`${HEAD}install: {\n`, /^m\.yaml:\d+:\d+: this is no YAML/],
  "with a key twice": [`${HEAD}install: {}\ninstall: {}\n`, /^m\.yaml:3:1: this is no YAML \(DUPLICATE_KEY\)/],
  "with two documents": [`${HEAD}a: 1\n---\nb: 1\n`, /a second document starts here/],
  "that is too long": [`${HEAD}#${"x".repeat(MACHINE_CONFIG_LIMIT)}`, /more than 1024 KiB/],
};
for (const [name, [text, message, hint]] of Object.entries(REFUSED)) {
  test(`a machine config is refused ${name}`, () => {
    assert.throws(
      () => parseMachineConfig(text, "m.yaml"),
      (error: AppError) => {
        assert.equal(error.code, "MACHINE_CONFIG_INVALID");
        assert.match(error.message, message);
        if (hint) assert.match(error.hint ?? "", hint);
        return true;
      },
    );
  });
}

test("no value but those of install is in a message: others may be secrets", () => {
  for (const text of [
    `password: "s3cret\n`,
    `password: s3cret\npassword: s3cret\n`,
    `? [s3cret\n`,
    `[s3cret`,
    `password: *s3cret\n`,
  ]) {
    try {
      parseMachineConfig(HEAD + text, "m.yaml");
    } catch (error) {
      assert.doesNotMatch(`${(error as AppError).message} ${(error as AppError).hint}`, /s3cret/);
    }
  }
});

test("any text gives a machine config or MACHINE_CONFIG_INVALID", () => {
  const words = fc.constantFrom("install", "device", "wipe", "after", "auto", "true", ": ", "\n", "  ", "- ", "#cloud-config\n");
  const marks = fc.constantFrom("[", "]", "{", "}", "&a", "*a", "!x", "'", '"', "|", ">", "#", "? ", "%", "~", "<<", "__proto__");
  const mix = fc.array(fc.oneof(words, marks, fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 40 });
  const attempt = (text: string): void => {
    try {
      parseMachineConfig(text, "m.yaml");
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "MACHINE_CONFIG_INVALID", String((error as Error).stack));
    }
  };
  fc.assert(
    fc.property(mix, (parts) => attempt(HEAD + parts.join(""))),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => attempt(`${HEAD}install: ${JSON.stringify(value)}`)),
    { numRuns: 500 },
  );
  attempt(HEAD + "[".repeat(50_000));
});
