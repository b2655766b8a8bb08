import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempDisposable, stat, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { testTools } from "../../tests/support/tools.ts";
import { machineArchive, machineOfFile } from "./machine-archive.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("cpio finds the config in an archive, as root's own and nobody else's to read", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-machine-"));
  const [program, ...args] = (await testTools()).argv(["cpio", "--extract", "--quiet"], {
    binds: [{ source: dir.path, writable: true }],
    cwd: dir.path,
  });
  execFileSync(program, args, { input: machineArchive(bytes("#cloud-config\ninstall: {}\n")) });
  const path = join(dir.path, "machine.yaml");
  assert.equal(await readFile(path, "utf8"), "#cloud-config\ninstall: {}\n");
  assert.equal((await stat(path)).mode & 0o7777, 0o600);
});

test("archives can follow each other: their length is a multiple of 4", () => {
  fc.assert(fc.property(fc.uint8Array(), (text) => machineArchive(text).length % 4 === 0));
});

for (const [file, machine] of [
  ["default.yaml", "default"],
  ["52-54-00-12-34-56.yaml", "52-54-00-12-34-56"],
  ["52:54:00:AB:CD:EF.yml", "52-54-00-ab-cd-ef"],
  ["52-54-00-12-34.yaml", undefined],
  ["web1.yaml", undefined],
  ["default.yaml.orig", undefined],
  ["default", undefined],
] as const) {
  test(`${file} is ${machine === undefined ? "no machine's" : `of ${machine}`}`, () =>
    assert.equal(machineOfFile(file), machine));
}

test("a name that is a machine's can be part of a path and of a script", () => {
  fc.assert(fc.property(fc.string(), (name) => /^[a-f0-9-]+$|^default$/.test(machineOfFile(`${name}.yaml`) ?? "default")));
});
