import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { takeLock } from "./lock-file.ts";

test("one has the lock at a time, and the next one when the scope has ended", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-lock-"));
  const path = join(dir.path, "lock");
  {
    await using first = await takeLock(path);
    assert.ok(first);
    assert.equal(await takeLock(path), undefined);
  }
  await using next = await takeLock(path);
  assert.ok(next);
});

test("a process that is killed has no lock any more", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-lock-"));
  const path = join(dir.path, "lock");
  const code = `
    const { takeLock } = await import(${JSON.stringify(join(import.meta.dirname, "lock-file.ts"))});
    globalThis.lock = await takeLock(${JSON.stringify(path)});
    process.stdout.write(globalThis.lock ? "taken" : "refused");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: ["ignore", "pipe", "ignore"] });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  assert.equal(said.toString(), "taken");
  assert.equal(await takeLock(path), undefined);
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
  await using next = await takeLock(path);
  assert.ok(next);
});

test("a lock in a folder that is not there is an error", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-lock-"));
  await assert.rejects(takeLock(join(dir.path, "absent", "lock")), { code: "ENOENT" });
});
