import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { debian } from "../../config/machine/compile/fake-image.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { beginTrial, endTrial, generationsInUse } from "../../layout/generations.ts";
import { NO_KERNEL_ARGS } from "../../layout/kernel-args.ts";
import type { ConfigResult } from "./apply-config.ts";
import { carryOut, type CarryOutPorts } from "./carry-out.ts";
import { readAbout } from "./generation-files.ts";
import { configDocument, fakeNode, type FakeNode } from "./fake-ports.ts";
import type { ConfigAnswers, ConfigWork, FoundDocuments, LockedWork } from "./work.ts";

interface Machine extends AsyncDisposable {
  readonly ports: CarryOutPorts & FakeNode;
  readonly found: { now: Partial<FoundDocuments> };
  /** What those say that are asked over the network. */
  readonly network: () => Promise<ConfigAnswers["network"]>;
  readonly does: <Do extends LockedWork["do"]>(
    work: Extract<LockedWork, { readonly do: Do }>,
    other?: Partial<CarryOutPorts>,
  ) => Promise<ConfigAnswers[Do]>;
}

async function machine(): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), "petrify-config-"));
  const found: Machine["found"] = { now: {} };
  const foundNow = (): FoundDocuments => ({ documents: [], problems: [], waitsForNetwork: false, ...found.now });
  const fake = fakeNode({ view: debian(), store: await openGenerationStore(folder), lay: () => [] });
  const ports = {
    ...fake,
    find: async () => await Promise.resolve(foundNow()),
    beInstance: async ({ instance, awaitsName }: Pick<FoundDocuments, "instance" | "awaitsName">) => {
      if (instance !== undefined) fake.done.push(`is ${instance}`);
      if (awaitsName) fake.done.push("awaits a name");
      return await Promise.resolve(instance === "another");
    },
    nowSeen: async () => await Promise.resolve(void fake.done.push("seen")),
    imageIn: async (slot: string, digest: string) =>
      await Promise.resolve({
        view: { ...debian(), name: slot, version: digest },
        [Symbol.asyncDispose]: async () => await Promise.resolve(void fake.done.push(`closed ${slot}`)),
      }),
    noneWanted: async () => await Promise.resolve(void fake.done.push("none wanted")),
  };
  return {
    ...{ ports, found },
    does: async (work, other = {}) => (await carryOut(work, { ...ports, ...other })) as never,
    network: async () => (await carryOut({ do: "network", found: foundNow() }, ports)) as ConfigAnswers["network"],
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }),
  };
}
const named = (hostname: string) => [configDocument({ hostname }, `${hostname}.yaml`)];
const apply = async ({ does }: Machine, hostname: string): Promise<ConfigResult> =>
  await does({ do: "apply", documents: named(hostname), mode: "auto" });

test("a machine without any document is left alone, and is still in want of one", async () => {
  await using at = await machine();
  assert.deepEqual(await at.does({ do: "boot" }, { isBooting: true }), { none: true });
  assert.deepEqual([at.ports.done, await at.ports.store.list()], [[], []]);
});

test("what is there and cannot be used is told, and the next boot looks again", async () => {
  await using at = await machine();
  at.found.now = { problems: ["c.yaml cannot be read"] };
  for (let boot = 0; boot < 2; boot++) assert.deepEqual(await at.does({ do: "boot" }, { isBooting: true }), { none: true });
  assert.deepEqual([at.ports.state.running.notes, await at.ports.store.list()], [["c.yaml cannot be read"], []]);
});

test("what only the network knows is asked for until it has answered, by every boot, and then no more", async () => {
  await using at = await machine();
  const { state, store } = at.ports;
  const { network } = at;
  const of = (...names: readonly string[]) => names.flatMap((name) => named(name));
  assert.deepEqual(await network(), { none: true }, "nobody has asked for anything");

  at.found.now = { waitsForNetwork: true };
  assert.deepEqual(await at.does({ do: "boot" }, { isBooting: true }), { none: true });
  assert.equal(state.running.awaits, true);
  at.found.now = { documents: of("web-1"), waitsForNetwork: true };
  assert.equal(((await network()) as ConfigResult).generation, 1);
  assert.equal(state.running.awaits, undefined);
  assert.equal((await readAbout(store, 1))!.awaits, true, "the next boot knows it, too");

  assert.deepEqual([((await network()) as ConfigResult).changed, await store.list()], [false, [1]], "still no answer");
  at.found.now = { documents: of("web-1", "web-2"), waitsForNetwork: false };
  const last = (await network()) as ConfigResult;
  assert.deepEqual([last.changed, last.generation], [true, 2]);
  assert.equal((await readAbout(store, 2))!.awaits, undefined);
  at.found.now = { documents: of("web-3") };
  assert.deepEqual(await network(), { none: true });
});

test("an answer that changes nothing ends the asking, too", async () => {
  await using at = await machine();
  at.found.now = { documents: named("web"), waitsForNetwork: true };
  await at.does({ do: "boot" }, { isBooting: true });
  at.found.now = { documents: named("web") };
  assert.equal(((await at.network()) as ConfigResult).generation, 2);
  assert.deepEqual(await at.network(), { none: true });
});

test("what somebody applies meanwhile stays: nothing of the network takes its place", async () => {
  for (const documents of [named("mine"), named("web")]) {
    await using at = await machine();
    at.found.now = { documents: named("web"), waitsForNetwork: true };
    await at.does({ do: "boot" }, { isBooting: true });
    await at.does({ do: "apply", documents, mode: "auto" });
    at.found.now = { documents: named("of-the-network") };
    assert.deepEqual(await at.network(), { none: true });
  }
});

test("under another image it is still asked for", async () => {
  await using at = await machine();
  at.found.now = { documents: named("web"), waitsForNetwork: true };
  await at.does({ do: "boot" }, { isBooting: true });
  at.ports.state.running = { ...at.ports.state.running, wanted: "it was made for another image" };
  const { generation } = (await at.does(
    { do: "boot" },
    { isBooting: true, view: { ...debian(), version: "2.0.0" } },
  )) as ConfigResult;
  assert.equal((await readAbout(at.ports.store, generation!))!.awaits, true);
});

test("the first boot takes what lies there, leaves out what is wrong, and wants no more", async () => {
  await using at = await machine();
  at.found.now = { documents: [configDocument({ hostname: "web", bad: "b:1: is bad" })], problems: ["c.yaml cannot be read"] };
  const result = (await at.does({ do: "boot" }, { isBooting: true })) as ConfigResult;
  assert.deepEqual(result.problems, ["c.yaml cannot be read", "b:1: is bad"]);
  assert.deepEqual([at.ports.state.running.generation, at.ports.done.slice(-2)], [1, ["none wanted", "seen"]]);
});

test("under another image the documents that were applied last are compiled again, whatever lies there", async () => {
  await using at = await machine();
  await apply(at, "web-1");
  at.found.now = { documents: named("other"), problems: [] };
  const { running } = at.ports.state;
  at.ports.state.running = { ...running, wanted: "it was made for another image" };
  const result = (await at.does({ do: "boot" }, { isBooting: true, view: { ...debian(), version: "2.0.0" } })) as ConfigResult;
  assert.deepEqual([result.generation, result.plan.changes], [2, []]);
  assert.deepEqual([at.ports.state.running.generation, at.ports.state.running.wanted], [2, undefined]);
});

test("without a file what lies there is applied; nothing there, or what cannot be read, is refused", async () => {
  await using at = await machine();
  const takeWhatLies = async (...problems: readonly string[]): Promise<ConfigResult> =>
    await at.does({ do: "apply", documents: lies, found: { problems, waitsForNetwork: false, instance: "i-1" }, mode: "auto" });
  let lies: FoundDocuments["documents"] = [];
  await assert.rejects(takeWhatLies(), { code: "CONFIG_NOT_FOUND" });
  lies = named("web");
  await assert.rejects(takeWhatLies("c.yaml cannot be read"), { code: "CONFIG_NOT_FOUND", message: "c.yaml cannot be read" });
  assert.deepEqual(at.ports.done, []);
  assert.equal((await takeWhatLies()).changed, true);
  assert.equal(at.ports.done[0], "is i-1");
});

test("a rollback counts the old generation again, and makes no new one", async () => {
  await using at = await machine();
  for (const name of ["web-1", "web-2", "web-3"]) await apply(at, name);
  const back = await at.does({ do: "rollback", mode: "auto" });
  assert.deepEqual([back.changed, back.generation], [true, 2]);
  assert.deepEqual(at.ports.store.slots().slots.a, { generation: 2, before: 3 });
  assert.deepEqual(await at.ports.store.list(), [1, 2, 3]);
  assert.equal((await at.does({ do: "rollback", to: 1, mode: "staged" })).generation, 1);
  assert.deepEqual(generationsInUse(at.ports.store.slots()), new Set([1, 2]));
  await assert.rejects(at.does({ do: "rollback", to: 9, mode: "auto" }), { code: "CONFIG_UNKNOWN" });
});

test("a machine without a config before this one has none to go back to, and none to compare with", async () => {
  await using at = await machine();
  await assert.rejects(at.does({ do: "rollback", mode: "auto" }), { code: "CONFIG_UNKNOWN" });
  await apply(at, "web-1");
  await assert.rejects(at.does({ do: "rollback", mode: "auto" }), { code: "CONFIG_UNKNOWN" });
  await assert.rejects(at.does({ do: "diff" }), { code: "CONFIG_UNKNOWN" });
});

test("the history has every generation, the newest first, with what boots with it", async () => {
  await using at = await machine();
  await apply(at, "web-1");
  await at.does({ do: "apply", documents: named("web-2"), mode: "staged" });
  await at.does({ do: "apply", documents: named("web-3"), mode: "try" });
  const { generations } = await at.does({ do: "history" });
  assert.deepEqual(
    generations.map(({ generation, documents, running, slots, trial }) => [generation, documents, running, slots, trial?.how]),
    [
      [3, ["web-3.yaml"], true, [], "live"],
      [2, ["web-2.yaml"], false, ["a"], undefined],
      [1, ["web-1.yaml"], false, [], undefined],
    ],
  );
});

test("a difference is from the one before to the slot's own, from one that is named to that, or between two", async () => {
  await using at = await machine();
  for (const name of ["web-1", "web-2", "web-3"]) await apply(at, name);
  const between = async (request: Partial<Extract<ConfigWork, { do: "diff" }>>): Promise<string> => {
    const { from, to, changes } = await at.does({ do: "diff", ...request });
    return `${from} ${to} ${changes.map(({ name }) => name).join(" ")}`;
  };
  assert.equal(await between({}), "2 3 web-3 /etc/hostname");
  assert.equal(await between({ from: 1 }), "1 3 web-3 /etc/hostname");
  assert.equal(await between({ from: 3, to: 1 }), "3 1 web-1 /etc/hostname");
});

test("what is only kept until the next boot says so", async () => {
  await using at = await machine();
  const forgets = "this system runs from memory";
  const { problems } = await at.does({ do: "apply", documents: named("web"), mode: "auto" }, { forgets });
  assert.deepEqual(problems, [`it is kept until the next boot: ${forgets}`]);
});

test("an upgrade takes the config along to the image in the other slot, which is looked at no longer than that takes", async () => {
  await using at = await machine();
  await apply(at, "web-1");
  assert.deepEqual(await at.does({ do: "fits", image: { name: "b", version: "2" }, language: { hostname: "" } }), {
    generation: 1,
  });
  assert.deepEqual(await at.does({ do: "take-along", slot: "b", digest: "cc" }), {
    generation: 2,
    kernelArgs: NO_KERNEL_ARGS,
  });
  assert.deepEqual([at.ports.store.slots().slots.b, at.ports.done.at(-1)], [{ generation: 2 }, "closed b"]);
});

test("what was being laid when that was cut short is put right: the slot's own, or the one before a trial", async () => {
  await using at = await machine();
  await apply(at, "web-1");
  assert.deepEqual(await at.does({ do: "settle" }), { changed: false });
  const cut = { nowRuns: async () => await Promise.reject(new Error("killed")) };
  await assert.rejects(at.does({ do: "apply", documents: named("web-2"), mode: "auto" }, cut), /killed/);
  assert.deepEqual([at.ports.state.half, at.ports.state.running.generation], [2, 1]);
  assert.deepEqual(await at.does({ do: "settle" }), { changed: true });
  assert.deepEqual([at.ports.state.half, at.ports.state.running.generation], [undefined, 2]);
  await assert.rejects(at.does({ do: "apply", documents: named("web-3"), mode: "try" }, cut), /killed/);
  assert.deepEqual(await at.does({ do: "settle" }), { changed: true });
  const { slots } = at.ports.store.slots();
  assert.deepEqual([at.ports.state.half, at.ports.state.running.generation, slots.a?.trial], [undefined, 2, undefined]);
});

/** A machine whose first boot has found this; the next one begins. */
async function secondBoot(
  ...names: readonly string[]
): Promise<Machine & { readonly look: () => Promise<ConfigAnswers["boot"]> }> {
  const at = await machine();
  at.found.now = { documents: names.flatMap((name) => named(name)) };
  await at.does({ do: "boot" }, { isBooting: true });
  at.ports.done.length = 0;
  return { ...at, look: async () => await at.does({ do: "boot" }, { isBooting: true }) };
}

test("what has changed where a machine looks is laid by the next boot, and is not the slot's before it has proved itself", async () => {
  await using at = await secondBoot("web-1");
  at.found.now = { documents: named("web-2") };
  const result = (await at.look()) as ConfigResult;
  assert.deepEqual([result.changed, result.generation], [true, 2]);
  assert.equal(at.ports.state.running.generation, 2);
  const trial = { id: "01010101", generation: 2, how: "live" } as const;
  assert.deepEqual(at.ports.store.slots().slots.a, { generation: 1, trial }, "another boot has the one before");
  const { done } = at.ports;
  assert.ok(done.indexOf("seen") < done.findIndex((line) => line.startsWith("lay")), "a boot that it ends does not try it again");
  await at.does({ do: "confirm" });
  assert.deepEqual(at.ports.store.slots().slots.a, { generation: 2, before: 1 });
});

test("a boot that is itself the trial of a config does not look: the next one does", async () => {
  await using at = await secondBoot("web-1");
  at.found.now = { documents: named("web-2") };
  const { store } = at.ports;
  await store.point((slots) => beginTrial(slots, "a", { id: "0123abcd", generation: 1, how: "boot" }));
  assert.deepEqual(await at.look(), { same: true, problems: [] });
  assert.deepEqual(at.ports.done, []);
  await store.point((slots) => endTrial(slots, "a"));
  assert.equal(((await at.look()) as ConfigResult).generation, 2);
});

test("where it cannot be kept that it was tried, it is not tried", async () => {
  await using at = await secondBoot("web-1");
  at.found.now = { documents: named("web-2") };
  const full = { isBooting: true, nowSeen: async () => await Promise.reject(new Error("no space left on device")) };
  const { problems } = (await at.does({ do: "boot" }, full)) as ConfigResult;
  assert.match(problems[0]!, /cannot be applied: no space left/);
  assert.deepEqual([at.ports.state.running.generation, at.ports.store.slots().slots.a], [1, { generation: 1 }]);
});

for (const [what, found, expected] of [
  ["is the same documents from elsewhere", { documents: named("web-1") }, { seen: true, notes: [] }],
  [
    "cannot be read",
    { documents: named("web-2"), problems: ["/oem/b.yaml:3:1: no YAML"] },
    { seen: false, notes: [/stays as it is until this is mended: \/oem\/b\.yaml/] },
  ],
  ["is gone", { documents: [] }, { seen: true, notes: [/nothing lies any more/] }],
  [
    "is not sound",
    { documents: [configDocument({ hostname: "web", bad: "b.yaml:1: is bad" })] },
    { seen: false, notes: [/has changed, and cannot be applied: b\.yaml:1: is bad/] },
  ],
] as const) {
  test(`the config stays where what has changed ${what}, and that is told`, async () => {
    await using at = await secondBoot("web-1");
    at.found.now = found;
    const result = await at.look();
    assert.ok("same" in result);
    const { running } = at.ports.state;
    assert.deepEqual([running.generation, at.ports.store.slots().slots.a], [1, { generation: 1 }]);
    assert.equal(at.ports.done.includes("seen"), expected.seen, "what is to be mended is told at every boot");
    assert.equal(running.notes.length, expected.notes.length);
    for (const [index, note] of expected.notes.entries()) assert.match(running.notes[index]!, note);
  });
}

test("what was left out from the beginning keeps nothing else from being applied, and another instance takes what it can", async () => {
  await using at = await machine();
  at.found.now = { documents: named("web-1"), problems: ["Ignition's is not read"] };
  await at.does({ do: "boot" }, { isBooting: true });
  at.found.now = { documents: named("web-2"), problems: ["Ignition's is not read"] };
  assert.equal(((await at.does({ do: "boot" }, { isBooting: true })) as ConfigResult).generation, 2);
  const copied = [configDocument({ hostname: "web-3", bad: "b.yaml:1: is bad" })];
  at.found.now = { documents: copied, problems: ["Ignition's is not read"], instance: "another" };
  const copy = (await at.does({ do: "boot" }, { isBooting: true })) as ConfigResult;
  assert.deepEqual([copy.generation, copy.problems], [3, ["Ignition's is not read", "b.yaml:1: is bad"]]);
});

test("what somebody has applied counts, whatever lies there: that is told, once", async () => {
  await using at = await secondBoot("web-1");
  await apply(at, "mine");
  at.found.now = { documents: named("web-2"), waitsForNetwork: true };
  await at.look();
  const { running } = at.ports.state;
  assert.deepEqual([running.generation, running.awaits, at.ports.done.at(-1)], [2, undefined, "seen"]);
  assert.match(running.notes[0]!, /what somebody has applied counts/);
});

test("where somebody has applied the config and nothing lies anywhere, there is nothing to tell", async () => {
  await using at = await machine();
  await apply(at, "mine");
  at.found.now = { documents: [] };
  assert.deepEqual(await at.does({ do: "boot" }, { isBooting: true }), { same: true, problems: [] });
  assert.deepEqual([at.ports.state.running.notes, at.ports.done.at(-1)], [[], "seen"]);
});

test("whoever is asked over the network is asked anew then, and the answer ends that", async () => {
  await using at = await secondBoot("web-1");
  at.found.now = { documents: named("web-1"), waitsForNetwork: true };
  await at.look();
  assert.equal(at.ports.state.running.awaits, true);
  at.found.now = { documents: named("web-1") };
  assert.equal(((await at.network()) as ConfigResult).changed, false);
  assert.equal(at.ports.state.running.awaits, undefined);
  assert.deepEqual(await at.network(), { none: true });
});
