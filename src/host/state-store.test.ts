import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AGENT_STATE_SIZE, EMPTY_STATE, encodeAgentState, type AgentState } from "../layout/agent-state.ts";
import { encodeCheckedText } from "../layout/checked-text.ts";
import { openStateStore } from "./state-store.ts";

const state = (since: number): AgentState => ({ ...EMPTY_STATE, since });
const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-state-"));
const since = async (folder: string): Promise<number | undefined> => (await openStateStore(folder)).found.since;

test("a machine without a state has an empty one, and no problem", async () => {
  await using folder = await temporary();
  const store = await openStateStore(join(folder.path, "agent"));
  assert.deepEqual([store.found, store.problems], [EMPTY_STATE, []]);
});

test("the newest state is found again, after any number of writes, in files that never change their size", async () => {
  await using folder = await temporary();
  const store = await openStateStore(folder.path);
  for (const number of [1, 2, 3, 4, 5]) {
    await store.store(state(number));
    assert.equal(await since(folder.path), number);
    const names = await readdir(folder.path);
    assert.equal(names.length, 2, "both have their room from the first one on");
    for (const name of names) assert.equal((await stat(join(folder.path, name))).size, AGENT_STATE_SIZE);
  }
});

test("a write that is cut anywhere leaves the state before", async () => {
  await using folder = await temporary();
  const store = await openStateStore(folder.path);
  await store.store(state(1));
  await store.store(state(2));
  const whole = encodeAgentState(state(3), 3);
  const before = await readFile(join(folder.path, "state-1"));
  for (const cut of [0, 1, 20, 40, 60, 511, 512, 4096]) {
    await writeFile(join(folder.path, "state-1"), Buffer.concat([whole.subarray(0, cut), before.subarray(cut)]));
    const found = await since(folder.path);
    assert.ok(found === 2 || (found === 3 && cut >= 40), `${cut}: ${found}`);
  }
});

test("a damaged copy is said, and the other one used; with both damaged the machine starts anew", async () => {
  await using folder = await temporary();
  const store = await openStateStore(folder.path);
  await store.store(state(1));
  await store.store(state(2));
  await writeFile(join(folder.path, "state-2"), new Uint8Array(AGENT_STATE_SIZE).fill(0x55));
  const one = await openStateStore(folder.path);
  assert.equal(one.found.since, 1);
  assert.match(one.problems.join(), /a copy .* is damaged: the other one is used/);
  await one.store(state(7)); // over the damaged one
  assert.equal(await since(folder.path), 7);
  assert.deepEqual((await openStateStore(folder.path)).problems, []);
  for (const name of ["state-1", "state-2"]) await writeFile(join(folder.path, name), "x");
  const none = await openStateStore(folder.path);
  assert.deepEqual(none.found, EMPTY_STATE);
  assert.match(none.problems.join(), /starts anew/);
  await none.store(state(9));
  assert.equal(await since(folder.path), 9);
});

test("every byte that is changed, in turn, in either file, and every cut: it is said, and the other one used", async () => {
  await using folder = await temporary();
  const store = await openStateStore(folder.path);
  await store.store(state(1));
  await store.store(state(2));
  const whole = await Promise.all(["state-1", "state-2"].map(async (name) => await readFile(join(folder.path, name))));
  const used = encodeAgentState(state(2), 2).lastIndexOf(10) + 1;
  const found = async (file: number, bytes: Uint8Array): Promise<void> => {
    await writeFile(join(folder.path, `state-${file + 1}`), bytes);
    const opened = await openStateStore(folder.path);
    assert.deepEqual([opened.found.since, opened.readOnly, opened.problems.length], [file === 0 ? 2 : 1, false, 1]);
    assert.match(opened.problems[0]!, /a copy .* is damaged: the other one is used/);
    await writeFile(join(folder.path, `state-${file + 1}`), whole[file]!);
  };
  for (const file of [0, 1]) {
    for (let at = 0; at < used; at++) {
      const changed = Buffer.from(whole[file]!);
      changed[at]! ^= 1 << (at % 8);
      await found(file, changed);
      await found(file, whole[file]!.subarray(0, at));
    }
  }
  assert.deepEqual([await since(folder.path), (await openStateStore(folder.path)).problems], [2, []]);
});

test("newer software's state is left alone", async () => {
  await using folder = await temporary();
  const store = await openStateStore(folder.path);
  await store.store(state(1));
  const bytes = new Uint8Array(AGENT_STATE_SIZE);
  bytes.set(encodeCheckedText("petrify-state 2", "2 5\n{}\n"));
  await writeFile(join(folder.path, "state-2"), bytes);
  const found = await openStateStore(folder.path);
  assert.equal(found.readOnly, true);
  assert.match(found.problems.join(), /newer software/);
  await found.store(state(2));
  assert.deepEqual(await readFile(join(folder.path, "state-2")), Buffer.from(bytes));
  assert.equal((await openStateStore(folder.path)).readOnly, true);
});
