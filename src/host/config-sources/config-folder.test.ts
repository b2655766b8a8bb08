import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtempDisposable, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MiB } from "../../core/units.ts";
import { readConfigFolder } from "./config-folder.ts";

test("files with names of configs are read by name; nothing is waited for, and hostile names are shown harmlessly", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-folder-"));
  const at = (name: string): string => join(folder.path, name);
  for (const name of ["b.yaml", "a.yml", "notes.txt", ".hidden.yaml", "a.yaml~"]) await writeFile(at(name), name);
  await writeFile(at("\u001b[2Jx\n.yaml"), "x");
  await mkdir(at("folder.yaml"));
  await symlink("b.yaml", at("link.yaml"));
  await symlink("loop.yaml", at("loop.yaml"));
  await writeFile(at("huge.yaml"), "");
  await truncate(at("huge.yaml"), 4096 * MiB);
  execFileSync("/usr/bin/mkfifo", [at("pipe.yaml")]);
  const files = await readConfigFolder(folder.path);
  const shown = files.map((file) => [
    file.path.slice(folder.path.length + 1),
    "bytes" in file
      ? file.bytes.length > 100
        ? file.bytes.length
        : Buffer.from(file.bytes).toString()
      : file.problem.slice(0, 30),
  ]);
  assert.deepEqual(shown, [
    ["a.yml", "a.yml"],
    ["b.yaml", "b.yaml"],
    ["folder.yaml", "cannot be read: it is no file"],
    ["huge.yaml", MiB + 1],
    ["link.yaml", "b.yaml"],
    ["loop.yaml", "cannot be read: it is no file"],
    ["pipe.yaml", "cannot be read: it is no file"],
    ["", '"?[2Jx?.yaml" is not read: its'],
  ]);
});

test("a folder that is not there has none, and of one with a great many the first are read", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-folder-"));
  assert.deepEqual(await readConfigFolder(join(folder.path, "none")), []);
  for (let at = 0; at < 250; at++) await writeFile(join(folder.path, `${1000 + at}.yaml`), "");
  const files = await readConfigFolder(folder.path);
  assert.equal(files.length, 201);
  assert.match((files.at(-1) as { problem: string }).problem, /more than 200/);
});
