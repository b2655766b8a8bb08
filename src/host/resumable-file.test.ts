import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtempDisposable, open, readFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { resumableFile } from "./resumable-file.ts";

/** Stands for what a file's bytes are brought to the disk by. @returns how often it was asked */
async function insteadOf(
  t: TestContext,
  folder: string,
  name: "datasync" | "sync",
  answer: () => Promise<void>,
): Promise<() => number> {
  await using any = await open(join(folder, "any"), "w");
  const { mock } = t.mock.method(Object.getPrototypeOf(any) as FileHandle, name, answer);
  return () => mock.callCount();
}

test("what settles is asked for once at a time, and the output appears when that has ended", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-resumable-"));
  const { promise, resolve } = Promise.withResolvers<void>();
  const order: string[] = [];
  const calls = await insteadOf(t, folder.path, "datasync", async () => {
    await promise;
    order.push("settled");
  });
  await insteadOf(
    t,
    folder.path,
    "sync",
    async () => await Promise.resolve(void order.push(order.includes("file") ? "folder" : "file")),
  );
  const output = join(folder.path, "out");
  await using file = await resumableFile(output, "key", 8);
  await file.write(0, Buffer.from("petrify"));
  file.settle();
  file.settle();
  const asked = calls();
  const finished = file.finish();
  resolve();
  await finished;
  assert.equal(asked, 1);
  assert.deepEqual(order, ["settled", "file", "folder"]);
  assert.equal(await readFile(output, "latin1"), "petrify\0");
});

test("bytes that could not be brought to the disk are no output: the kernel says so once, to whoever asked first", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-resumable-"));
  const failures = [Object.assign(new Error("lost"), { code: "EIO" })];
  await insteadOf(t, folder.path, "datasync", async () => {
    const failure = failures.shift();
    if (failure) throw failure;
    await Promise.resolve();
  });
  const output = join(folder.path, "out");
  await using file = await resumableFile(output, "key", 8);
  file.settle();
  await new Promise(setImmediate);
  file.settle(); // goes well
  await assert.rejects(file.finish(), { code: "EIO" });
  assert.equal(existsSync(output), false);
});
