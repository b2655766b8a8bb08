import { NO_KERNEL_ARGS } from "../../layout/kernel-args.ts";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { FakeFiles } from "../../layout/fake-tree.ts";
import { debian } from "../../config/machine/compile/fake-image.ts";
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { keepGeneration } from "../../layout/generations.ts";
import { applyConfig } from "./apply-config.ts";
import { configDocument, fakeNode, type FakeNode } from "./fake-ports.ts";
import { readGeneration } from "./generation-files.ts";
import { assertFits, takeAlong } from "./take-along.ts";

const BERLIN = { hostname: "web", timezone: "Europe/Berlin" } as const;
const newer = (more: FakeFiles = {}): ImageView => ({ ...debian(more), version: "2.0.0" });
/** Without the zones that the other one knows. */
const without = (path: string): ImageView => {
  const view = newer();
  const isGone = (asked: string): boolean => asked === path || asked.startsWith(`${path}/`);
  return {
    ...view,
    has: (asked) => !isGone(asked) && view.has(asked),
    find: (asked, last) => (isGone(asked) ? undefined : view.find(asked, last)),
  };
};
const NO_BERLIN = without("/usr/share/zoneinfo/Europe/Berlin");

/** A machine that runs slot a. */
async function machine(): Promise<{ readonly ports: FakeNode; readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "petrify-along-"));
  const ports = fakeNode({ view: debian(), store: await openGenerationStore(folder), lay: () => [] });
  return { ports, folder, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }) };
}
const apply = async (ports: FakeNode, about: Parameters<typeof configDocument>[0], how: "strict" | "tolerant" = "strict") =>
  await applyConfig([configDocument(about)], { mode: "auto", how }, ports);
const listed = async ({ store }: FakeNode) => [await store.list(), store.slots().slots] as const;

test("a machine without a config takes none along", async () => {
  await using at = await machine();
  assert.deepEqual(await takeAlong("b", newer(), at.ports), {});
  assert.deepEqual(await listed(at.ports), [[], {}]);
});

test("the other slot boots with the same documents, made for its image; the running slot's stays", async () => {
  await using at = await machine();
  const { ports } = at;
  await apply(ports, BERLIN);
  assert.deepEqual(await takeAlong("b", newer(), ports), { generation: 2, kernelArgs: NO_KERNEL_ARGS });
  assert.deepEqual(ports.store.slots().slots, { a: { generation: 1 }, b: { generation: 2 } });
  const [one, two] = [await readGeneration(ports.store, 1), await readGeneration(ports.store, 2)];
  assert.deepEqual(two!.documents, one!.documents);
  assert.deepEqual([one!.compiled.compiled.image.version, two!.compiled.compiled.image.version], ["1.0.0", "2.0.0"]);
  assert.deepEqual(ports.done.filter((line) => line.startsWith("lay")).length, 1, "nothing is laid on the running system");
});

test("again it changes nothing; after another config it is that one's", async () => {
  await using at = await machine();
  const { ports } = at;
  await apply(ports, BERLIN);
  await takeAlong("b", newer(), ports);
  const before = await listed(ports);
  assert.deepEqual(await takeAlong("b", newer(), ports), { generation: 2, kernelArgs: NO_KERNEL_ARGS });
  assert.deepEqual(await listed(ports), before);
  await apply(ports, { ...BERLIN, hostname: "web-2" });
  assert.deepEqual(await takeAlong("b", newer(), ports), { generation: 4, kernelArgs: NO_KERNEL_ARGS });
  assert.deepEqual(ports.store.slots().slots.b, { generation: 4, before: 2 });
});

test("what the new image cannot do, and the one that runs can, is a refusal, and nothing changes", async () => {
  await using at = await machine();
  const { ports } = at;
  await apply(ports, BERLIN);
  const before = await listed(ports);
  await assert.rejects(takeAlong("b", NO_BERLIN, ports), (error: { code: string; message: string; hint: string }) => {
    assert.equal(error.code, "CONFIG_UNSUPPORTED");
    assert.match(error.message, /the image web 2\.0\.0 cannot do all that the config says:\n {2}timezone: /);
    assert.match(error.hint, /Apply a config first/);
    return true;
  });
  assert.deepEqual(await listed(ports), before);
});

test("what neither image can do was left out before, and is again, and told", async () => {
  await using at = await machine();
  const { ports } = at;
  await apply(ports, { hostname: "web", timezone: "Europe/Paris", bad: "a:1: is wrong" }, "tolerant");
  const { generation } = await takeAlong("b", newer(), ports);
  const { problems } = (await readGeneration(ports.store, generation!))!.about;
  assert.deepEqual(problems, ["a:1: is wrong", "timezone: the image's tzdata does not know Europe/Paris"]);
});

test("a config that is only tried is not taken along, and a slot that has none runs with another one's", async () => {
  await using at = await machine();
  const { ports } = at;
  await apply(ports, BERLIN);
  await applyConfig([configDocument({ hostname: "tried" })], { mode: "try", how: "strict" }, ports);
  const { generation } = await takeAlong("b", newer(), ports);
  assert.equal((await readGeneration(ports.store, generation!))!.compiled.compiled.hostname, "web");

  const onB: FakeNode = { ...ports, target: "b" };
  await ports.store.point(() => keepGeneration({ slots: {} }, "a", 1));
  ports.state.running = { ...ports.state.running, generation: 1 };
  assert.ok((await takeAlong("a", newer(), onB)).generation);
});

test("power that goes between a generation and what refers to it leaves one that is of no use, and the next try makes it good", async () => {
  await using at = await machine();
  const { ports, folder } = at;
  await apply(ports, BERLIN);
  const cut = { ...ports, store: { ...ports.store, point: async () => await Promise.reject(new Error("the power is gone")) } };
  await assert.rejects(takeAlong("b", newer(), cut), /the power is gone/);
  const store = await openGenerationStore(folder);
  assert.deepEqual([await store.list(), store.slots().slots], [[1, 2], { a: { generation: 1 } }]);
  assert.deepEqual(await takeAlong("b", newer(), { ...ports, store }), { generation: 3, kernelArgs: NO_KERNEL_ARGS });
  assert.deepEqual(store.slots().slots, { a: { generation: 1 }, b: { generation: 3 } });
});

test("an image that does not know a key is refused by its manifest, and nothing changes", async () => {
  await using at = await machine();
  const { ports } = at;
  const image = { name: "web", version: "0.9.0" };
  assert.deepEqual(await assertFits(image, {}, ports), {}, "without a config everything fits");
  await apply(ports, BERLIN);
  const before = await listed(ports);
  assert.deepEqual(await assertFits(image, { hostname: "", timezone: "" }, ports), { generation: 1 });
  await assert.rejects(assertFits(image, { hostname: "" }, ports), {
    code: "CONFIG_UNSUPPORTED",
    message: "the image web 0.9.0 does not know all that the config says:\n  timezone: is no key of its machine configs",
  });
  assert.deepEqual(await listed(ports), before);
});
