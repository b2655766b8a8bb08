import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fakeFile, fakeUnit, fakeUser } from "../../config/machine/compile/fake-config.ts";
import { debian } from "../../config/machine/compile/fake-image.ts";
import type { NodeConfig } from "../../config/machine/node-config.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { layFile } from "../../initrd/config-data.ts";
import { fakeSys, type FakeSys } from "../../initrd/fake-sys.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import { encodeConfigData } from "../../layout/run-config.ts";
import { encodeRunFacts } from "../../layout/run-facts.ts";
import { applyConfig, configDiff, confirmConfig, documentsOf, revertTrial } from "./apply-config.ts";
import { configDocument, fakeNode, type FakeNode } from "./fake-ports.ts";
import { readGeneration } from "./generation-files.ts";
import type { ApplyMode } from "./work.ts";

const NEXT = "/run/petrify/config-lay.json";
const PASSWD = "root:x:0:0:root:/root:/bin/bash\n";
const GROUP = "root:x:0:\nsudo:x:27:\n";

/** Files are laid in memory, generations on the disk. */
async function node(): Promise<FakeNode & AsyncDisposable & { readonly sys: FakeSys; readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "petrify-config-"));
  const sys = fakeSys({ "/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/hostname": "image\n", "/etc/motd": "hello\n" });
  const image = { name: "web", version: "1.0.0", created: 0, persistent: ["/home", "/srv"] };
  const facts = { slot: "a", file: "/a.img", rootHash: "00", partitions: {}, image, notes: [], reached: {} } as const;
  sys.files.set("/run/petrify/boot.json", encodeRunFacts(facts));
  for (const path of ["/home", "/srv", "/etc/skel", "/var", "/oem", "/usr/local"]) sys.files.set(path, undefined);
  const text = (path: string, content: string): TreeEntry => ({
    ...{ path, when: "root", owner: "0:0" },
    what: { is: "file", mode: 0o644, content: { text: content } },
  });
  const ofImage = (path: string): readonly TreeEntry[] =>
    path === "/etc/hostname" ? [text(path, "image\n")] : path === "/etc/motd" ? [text(path, "hello\n")] : [];
  const fake = fakeNode({
    view: debian({ "/etc/motd": "hello\n" }),
    store: await openGenerationStore(join(folder, "config")),
    ofImage,
    lay: (data) => {
      sys.files.set(NEXT, encodeConfigData(data));
      return layFile(sys, NEXT);
    },
  });
  return { ...fake, sys, folder, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }) };
}

const apply = async (on: FakeNode, about: Partial<NodeConfig>, mode: ApplyMode = "auto") =>
  await applyConfig([configDocument(about)], { mode, how: "strict" }, on);

const FIRST: Partial<NodeConfig> = {
  hostname: "web-1",
  users: [fakeUser("ada")],
  files: [
    fakeFile("/etc/app/x.conf", { owner: "ada:ada", content: { text: "x\n" } }),
    fakeFile("/etc/motd", { append: true, content: { text: "from here\n" } }),
    fakeFile("/srv/site/index", { content: { text: "site\n" } }),
  ],
  units: [
    fakeUnit("app.service", {
      content: "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n",
      enabled: true,
    }),
  ],
};

test("a config that is applied is there, is kept, and is what the next boot of the slot lays", async () => {
  await using on = await node();
  const result = await apply(on, FIRST);
  assert.deepEqual(result.problems, []);
  assert.equal(result.changed, true);
  assert.equal(on.sys.readText("/etc/app/x.conf"), "x\n");
  assert.equal(on.sys.readText("/etc/motd"), "hello\nfrom here\n");
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  assert.equal(on.sys.readText("/srv/site/index"), "site\n");
  assert.match(on.sys.readText("/etc/passwd"), /^ada:x:1000:/m);
  const last = on.done.slice(-3);
  assert.deepEqual(last, ["hostname web-1", "systemctl daemon-reload", "systemctl start app.service"]);
  const again = await openGenerationStore(join(on.folder, "config"));
  assert.equal(again.slots().slots.a?.generation, 1);
  assert.equal(again.remembered().user.get("ada"), 1000);
  assert.equal(on.state.running.generation, 1);
  assert.equal(on.state.half, undefined);
});

test("files that stages write are written when a config is applied, at no boot of it, and go with it", async () => {
  await using on = await node();
  const files = [
    fakeFile("/run/app/a"),
    fakeFile("/srv/b", { content: { url: "https://files.example/b" } }),
    fakeFile("/etc/c", { defer: true }),
  ];
  const about = { files, bootCommands: ["true"] };
  const applied = await apply(on, about);
  assert.deepEqual(applied.plan.reboot, ["stage fs.before runs as it is now"]);
  assert.deepEqual(on.done, ["stages of files"]);
  assert.equal(on.state.running.generation, 1, "before they are run");
  for (const path of ["/run/app/a", "/srv/b", "/etc/c"]) on.sys.files.set(path, "text");
  on.done.length = 0;
  await apply(on, { files: files.slice(1) });
  assert.deepEqual([on.sys.exists("/run/app/a"), on.sys.exists("/srv/b")], [false, true]);
  await apply(on, {});
  assert.deepEqual(
    ["/srv/b", "/etc/c"].map((path) => on.sys.exists(path)),
    [false, false],
  );
  assert.equal(on.done.at(-1)?.startsWith("stages"), false, "there are none any more");

  await using booting = await node();
  await applyConfig([configDocument(about)], { mode: "auto", how: "tolerant" }, { ...booting, isBooting: true });
  assert.deepEqual(booting.done, [], "the boot comes to them");
});

test("the same config again changes nothing: no generation, no file, no program", async () => {
  await using on = await node();
  await apply(on, FIRST);
  on.done.length = 0;
  const again = await apply(on, FIRST);
  assert.equal(again.changed, false);
  assert.equal(again.generation, 1);
  assert.deepEqual(on.done, []);
  assert.deepEqual(await on.store.list(), [1]);
  assert.equal((await apply(on, FIRST, "dry-run")).changed, false);
});

test("what the next config does not mention is gone, and what the image has is back", async () => {
  await using on = await node();
  await apply(on, FIRST);
  on.done.length = 0;
  const result = await apply(on, {});
  assert.deepEqual(result.problems, []);
  assert.equal(on.done[0], "systemctl stop app.service", "while its file is there");
  assert.equal(on.sys.exists("/etc/app/x.conf"), false);
  assert.equal(on.sys.exists("/srv/site/index"), false);
  assert.equal(on.sys.readText("/etc/motd"), "hello\n");
  assert.equal(on.sys.readText("/etc/hostname"), "image\n");
  assert.equal(on.sys.readText("/etc/passwd").includes("ada"), false);
  assert.ok(on.done.includes("rmdir /srv/site"), "what others have put there stays");
  assert.equal(on.store.remembered().user.get("ada"), 1000, "files on disks still carry the number");
});

test("what is added to a file of the image is added to the image's text, not to what was added before", async () => {
  await using on = await node();
  await apply(on, FIRST);
  await apply(on, { ...FIRST, files: [fakeFile("/etc/motd", { append: true, content: { text: "another\n" } })] });
  assert.equal(on.sys.readText("/etc/motd"), "hello\nanother\n");
});

test("a dry run, a config that is not sound, and one that would need a reboot change nothing", async () => {
  await using on = await node();
  await apply(on, FIRST);
  on.done.length = 0;
  const dry = await apply(on, { ...FIRST, hostname: "web-2" }, "dry-run");
  assert.equal(dry.changed, true);
  assert.deepEqual(dry.plan.changes, [
    { kind: "hostname", how: "changed", name: "web-2" },
    { kind: "path", how: "changed", name: "/etc/hostname" },
  ]);
  await assert.rejects(applyConfig([configDocument({ bad: "x:1" })], { mode: "auto", how: "strict" }, on), {
    code: "MACHINE_CONFIG_INVALID",
  });
  await assert.rejects(apply(on, { ...FIRST, timezone: "Nowhere/At_all" }), { code: "CONFIG_UNSUPPORTED" });
  await assert.rejects(apply(on, { ...FIRST, persistent: ["/var/lib/app"] }, "no-reboot"), { code: "CONFIG_NEEDS_REBOOT" });
  await assert.rejects(apply({ ...on, target: "recovery" }, {}), { code: "CONFIG_IN_RECOVERY" });
  assert.deepEqual(on.done, []);
  assert.deepEqual(await on.store.list(), [1]);
});

test("a staged config is the next boot's, and is laid by a later call", async () => {
  await using on = await node();
  await apply(on, FIRST);
  on.done.length = 0;
  const staged = await apply(on, { ...FIRST, hostname: "web-2" }, "staged");
  assert.deepEqual([staged.changed, staged.generation, on.done], [true, 2, []]);
  assert.deepEqual(on.store.slots().slots.a, { generation: 2, before: 1 });
  assert.equal((await apply(on, { ...FIRST, hostname: "web-2" }, "staged")).changed, false);
  assert.equal((await apply(on, { ...FIRST, hostname: "web-2" })).changed, true);
  assert.equal(on.sys.readText("/etc/hostname"), "web-2\n");
});

test("at boot what cannot be done is left out and told, and nothing waits for a service", async () => {
  await using on = await node();
  const boot = { ...on, isBooting: true };
  const documents = [configDocument({ ...FIRST, bad: "machine.yaml:3: colour: is not known", timezone: "Nowhere/At_all" })];
  const result = await applyConfig(documents, { mode: "auto", how: "tolerant" }, boot);
  assert.deepEqual(result.problems.length, 2, result.problems.join("\n"));
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  assert.ok(on.done.includes("systemctl --no-block start app.service"));
  assert.equal(on.done.filter((line) => /^systemctl (?!daemon-reload|--no-block)/.test(line)).length, 0, on.done.join("\n"));
  assert.deepEqual((await readGeneration(on.store, 1))?.about.problems, result.problems);
});

test("a config on trial is given up unless it is confirmed", async () => {
  await using on = await node();
  await apply(on, FIRST);
  const tried = await apply(on, { ...FIRST, hostname: "web-2" }, "try");
  assert.equal(tried.trial?.until, on.state.now + 60);
  assert.equal(on.sys.readText("/etc/hostname"), "web-2\n");
  assert.equal(on.store.slots().slots.a?.generation, 1, "the next boot has the one before");
  assert.equal(await revertTrial(on, "ffffffff"), false, "of another trial");
  assert.equal(on.sys.readText("/etc/hostname"), "web-2\n");
  assert.equal(await revertTrial(on, tried.trial.id), true);
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  assert.equal(on.store.slots().slots.a?.trial, undefined);
  assert.equal(on.state.running.generation, 1);

  const second = await apply(on, { ...FIRST, hostname: "web-3" }, "try");
  assert.equal(await confirmConfig(on), second.generation);
  assert.equal(await revertTrial(on, second.trial!.id), false, "it was confirmed");
  assert.equal(on.sys.readText("/etc/hostname"), "web-3\n");
  assert.equal(on.store.slots().slots.a?.generation, second.generation);
  await assert.rejects(confirmConfig(on), { code: "CONFIG_NO_TRIAL" });
});

test("the first config of all that is tried leaves a machine as the image has it", async () => {
  await using on = await node();
  const { trial } = await apply(on, FIRST, "try");
  assert.equal(await revertTrial(on, trial!.id), true);
  assert.equal(on.sys.readText("/etc/hostname"), "image\n");
  assert.equal(on.sys.exists("/etc/app/x.conf"), false);
  assert.equal(on.state.running.generation, undefined);
  assert.equal((await apply(on, FIRST)).changed, true);
});

test("another config over one on trial ends the trial", async () => {
  await using on = await node();
  await apply(on, FIRST);
  const { trial } = await apply(on, { ...FIRST, hostname: "web-2" }, "try");
  await apply(on, { ...FIRST, hostname: "web-4" });
  assert.equal(await revertTrial(on, trial!.id), false);
  assert.equal(on.sys.readText("/etc/hostname"), "web-4\n");
});

test("a worker that ends in the middle leaves nothing that the next call does not put right", async () => {
  await using on = await node();
  await apply(on, FIRST);
  const cut = {
    ...on,
    run: async (): Promise<never> => await Promise.reject(new Error("cut")),
    nowRuns: async () => await Promise.reject(new Error("power")),
  };
  await assert.rejects(apply(cut, { ...FIRST, files: [fakeFile("/etc/other")], hostname: "web-2" }), /power/);
  assert.equal(on.state.half, 2);
  assert.equal(on.sys.exists("/etc/other"), true);
  const result = await apply(on, FIRST);
  assert.equal(result.changed, true);
  assert.equal(on.sys.exists("/etc/other"), false, "what was half laid is gone");
  assert.equal(on.sys.readText("/etc/app/x.conf"), "x\n");
  assert.equal(on.sys.readText("/etc/motd"), "hello\nfrom here\n");
  assert.equal(on.state.half, undefined);
  assert.equal((await apply(on, FIRST)).changed, false);
});

test("a file that cannot be laid, or a program that fails, is told, and the rest is done", async () => {
  await using on = await node();
  on.sys.refuses.set("rename /etc/app/x.conf", 28);
  const failing = {
    ...on,
    run: async (argv: readonly string[]) =>
      argv.includes("daemon-reload") ? await Promise.reject(new Error("no bus")) : await on.run(argv as [string]),
  };
  const result = await apply(failing, FIRST);
  assert.ok(
    result.problems.some((line) => line.includes("no bus")),
    result.problems.join("\n"),
  );
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  assert.ok(on.done.includes("systemctl start app.service"));
});

test("a generation is gone back to by its documents; from one to another is a plan", async () => {
  await using on = await node();
  await apply(on, FIRST);
  await apply(on, { hostname: "web-2" });
  const { changes } = await configDiff(on, 1, 2);
  assert.ok(changes.some(({ kind, name, how }) => kind === "user" && name === "ada" && how === "removed"));
  const back = await applyConfig(await documentsOf(on, 1), { mode: "auto", how: "strict" }, on);
  assert.equal(back.changed, true);
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  await assert.rejects(documentsOf(on, 9), { code: "CONFIG_UNKNOWN" });
  await assert.rejects(configDiff(on, 1, 9), { code: "CONFIG_UNKNOWN" });
});

const QUIET = { kernelArgs: { append: ["quiet"], remove: [] } } as const;

test("a config with other kernel arguments is one on trial for the next boot: nothing is laid, and the slot keeps what it has", async () => {
  await using on = await node();
  await apply(on, FIRST);
  on.done.length = 0;
  const about = { ...FIRST, hostname: "web-2", ...QUIET };
  const plan = await apply(on, about, "dry-run");
  assert.deepEqual([plan.changed, plan.plan.reboot], [true, ["the kernel has its new arguments, on trial"]]);
  for (const mode of ["try", "no-reboot"] as const) await assert.rejects(apply(on, about, mode), { code: "CONFIG_NEEDS_REBOOT" });
  const { id } = (await apply(on, about)).trial!;
  assert.deepEqual(on.store.slots().slots.a, { generation: 1, trial: { id, generation: 2, how: "boot" } });
  assert.deepEqual([on.done, on.state.running.generation], [[], 1]);
  const again = await apply(on, about, "staged");
  assert.deepEqual([again.changed, again.generation, again.trial], [false, 2, { id }]);
  assert.equal((await apply(on, about, "dry-run")).changed, false);
  await assert.rejects(confirmConfig(on), { code: "CONFIG_NO_TRIAL", message: /is tried by the next boot/ });

  await apply(on, { ...FIRST, hostname: "web-3" });
  assert.deepEqual(on.store.slots().slots.a, { generation: 3, before: 1 }, "a config without them takes its place");
});

test("a trial of kernel arguments is kept by its id, or given back with a reason, and may be tried again then", async () => {
  await using on = await node();
  await apply(on, FIRST);
  const first = (await apply(on, { ...FIRST, ...QUIET })).trial!;
  assert.equal(await revertTrial(on, "ffffffff", "no"), false);
  assert.equal(await revertTrial(on, first.id, "not healthy"), true);
  const refused = { generation: 2, at: on.state.now, reason: "not healthy" };
  assert.deepEqual(on.store.slots().slots.a, { generation: 1, refused });
  const again = await apply(on, { ...FIRST, ...QUIET });
  assert.equal(again.changed, true);
  await assert.rejects(confirmConfig(on, first.id), { code: "CONFIG_NO_TRIAL" });
  assert.equal(await confirmConfig(on, again.trial!.id), again.generation);
  on.state.kernelArgs = QUIET.kernelArgs;
  on.state.running = { ...on.state.running, generation: again.generation! };
  assert.equal((await apply(on, { ...FIRST, ...QUIET })).changed, false, "the loader gives them by now");
  assert.ok((await apply(on, FIRST)).trial, "to be without them is a trial, too");
});

test("what nobody asked for is laid at once, and only its kernel arguments wait for the next boot; once given back they are not tried again", async () => {
  await using on = await node();
  const boot = async () =>
    await applyConfig([configDocument({ ...FIRST, ...QUIET })], { mode: "auto", how: "tolerant", unattended: true }, on);
  assert.equal((await boot()).generation, 1);
  assert.equal(on.sys.readText("/etc/hostname"), "web-1\n");
  const { trial } = on.store.slots().slots.a!;
  assert.deepEqual([trial?.generation, trial?.how], [1, "boot"]);
  assert.equal((await boot()).changed, false);
  assert.deepEqual(on.store.slots().slots.a?.trial, trial, "the same trial waits");
  await revertTrial(on, trial!.id, "no");
  assert.equal((await boot()).changed, false);
  assert.deepEqual(on.store.slots().slots.a, { generation: 1, refused: { generation: 1, at: on.state.now, reason: "no" } });
});

test("where no loader would give them, kernel arguments are refused; at boot they are left out, and it is said", async () => {
  await using on = await node();
  on.state.kernelArgs = undefined;
  await assert.rejects(apply(on, QUIET), {
    code: "KERNEL_ARGS_UNSUPPORTED",
    message: "kernel.args cannot be used: its loader is older",
  });
  assert.deepEqual([on.done, await on.store.list()], [[], []]);
  const { problems, trial } = await applyConfig([configDocument(QUIET)], { mode: "auto", how: "tolerant", unattended: true }, on);
  assert.deepEqual([problems, trial], [["kernel.args cannot be used: its loader is older"], undefined]);
  assert.equal((await apply(on, FIRST)).changed, true);
});
