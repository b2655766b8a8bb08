import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openInstanceStore } from "./instance-store.ts";

const folder = async () => await mkdtempDisposable(join(tmpdir(), "petrify-instance-"));

test("what was done is there at the next boot; another instance has done nothing, and the machine's own id is none", async () => {
  await using dir = await folder();
  const first = await openInstanceStore(dir.path, "machine");
  assert.deepEqual(first.record(), { instance: "machine", done: {} });
  await first.note("runcmd", { at: 1, problem: "no" });
  const second = await openInstanceStore(dir.path, "machine");
  assert.deepEqual(second.record(), { instance: "machine", done: { runcmd: { at: 1, problem: "no" } } });
  assert.equal(await second.be("i-1"), true);
  await second.note("runcmd", { at: 2 });
  assert.equal(await second.be("i-1"), false);
  assert.deepEqual((await openInstanceStore(dir.path, "other")).record(), { instance: "i-1", done: { runcmd: { at: 2 } } });
});

test("what was done while nobody had said a name was done by the machine that is named then, and by no other", async () => {
  await using dir = await folder();
  const first = await openInstanceStore(dir.path, "machine");
  await first.awaitName();
  await first.note("fs_setup /dev/vdb", { at: 1 });
  const second = await openInstanceStore(dir.path, "machine");
  await second.awaitName();
  assert.equal(await second.be("i-1"), false);
  assert.deepEqual(second.record(), { instance: "i-1", done: { "fs_setup /dev/vdb": { at: 1 } } });
  await second.awaitName();
  assert.equal(await second.be("i-2"), true);
  assert.deepEqual((await openInstanceStore(dir.path, "machine")).record(), { instance: "i-2", done: {} });
});

test("a write that is cut leaves what was there before it", async () => {
  await using dir = await folder();
  const store = await openInstanceStore(dir.path, "machine");
  await store.note("a", { at: 1 });
  await store.note("b", { at: 2 });
  for (const name of ["instance-1", "instance-2"]) {
    const bytes = await readFile(join(dir.path, name));
    await writeFile(join(dir.path, name), Buffer.concat([bytes.subarray(0, 20), Buffer.alloc(bytes.length - 20)]));
    const found = await openInstanceStore(dir.path, "machine");
    assert.deepEqual([found.record().done["a"], found.problems], [{ at: 1 }, []]);
    await writeFile(join(dir.path, name), bytes);
  }
});

test("the first write of all, cut, has done nothing; where nothing can be known, nothing is done", async () => {
  await using dir = await folder();
  await writeFile(join(dir.path, "instance-1"), "half");
  const cut = await openInstanceStore(dir.path, "machine");
  assert.deepEqual(cut.problems, []);
  await cut.note("a", { at: 1 });
  for (const name of ["instance-1", "instance-2"]) await writeFile(join(dir.path, name), "damaged");
  const lost = await openInstanceStore(dir.path, "machine");
  assert.match(lost.problems[0]!, /damaged/);
  await assert.rejects(lost.note("a", { at: 1 }), /not done again/);
  const missing = await openInstanceStore(undefined, "machine");
  await assert.rejects(missing.note("a", { at: 1 }), /not mounted/);
});
