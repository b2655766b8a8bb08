import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { RESERVE_COUNT, RESERVE_FOLDER } from "../layout/fstab.ts";
import { keepReserve } from "./reserve.ts";

test("a reserve is made, and what is missing of it is made again", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "petrify-reserve-"));
  const folder = join(root.path, RESERVE_FOLDER);
  await mkdir(dirname(folder), { recursive: true });
  await keepReserve(root.path);
  assert.equal((await readdir(folder)).length, RESERVE_COUNT);
  await rm(join(folder, "7"), { recursive: true });
  await keepReserve(root.path);
  assert.equal((await readdir(folder)).length, RESERVE_COUNT);
});

test("where nothing is kept there is no reserve", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "petrify-reserve-"));
  await keepReserve(root.path);
  assert.deepEqual(await readdir(root.path), []);
});
