import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCheckedLines } from "../layout/checked-lines.ts";
import { encodeCompiledConfig, type CompiledConfig } from "../layout/compiled-config.ts";
import { latin1Text } from "../layout/env-block.ts";
import { beginTrial, encodeConfigSlots, keepGeneration, NO_SLOTS, type ConfigSlots } from "../layout/generations.ts";
import { encodeIds } from "../layout/persistent-ids.ts";
import { parseConfigData, parseRunConfig, type RunConfig } from "../layout/run-config.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import { boot } from "./boot.ts";
import { fakeMachine, whenDone } from "./fake-machine.ts";
import { Gone, type FakeSys } from "./fake-sys.ts";

const CONFIG: CompiledConfig = {
  config: "ab".repeat(32),
  image: { name: "edge", version: "1.2.0" },
  hostname: "edge-7",
  accounts: { users: [{ name: "ada", isSystem: false, groups: [], makeHome: true, password: "$6$x" }], groups: [] },
  entries: [
    { path: "/etc/app", when: "root", owner: "ada", what: { is: "folder", mode: 0o750 } },
    {
      path: "/etc/app/net",
      when: "root",
      owner: "root",
      recovery: true,
      what: { is: "file", mode: 0o644, content: { text: "net\n" } },
    },
    { path: "/home/ada/x", when: "data", owner: "ada", what: { is: "file", mode: 0o600, content: { text: "x" } } },
  ],
  persistent: ["/var/lib/app"],
  stages: ["network.after"],
};
const SLOT_A = keepGeneration(NO_SLOTS, "a", 12);
const FOLDER = "/oem/petrify/config";

interface Disk {
  readonly slots?: ConfigSlots;
  readonly generations?: Readonly<Record<number, string>>;
  readonly files?: Readonly<Record<string, string>>;
}
/** A machine whose oem partition holds this; it is there as long as it is mounted. */
function machine({ slots, generations = {}, files = {} }: Disk): FakeSys {
  const sys = fakeMachine();
  const oem = {
    ...(slots ? { [`${FOLDER}/slots-1`]: latin1Text(encodeConfigSlots(slots, 1)) } : {}),
    ...Object.fromEntries(Object.entries(generations).map(([number, text]) => [`${FOLDER}/${number}/compiled`, text])),
    ...files,
  };
  whenDone(sys, /^mount erofs/, () => {
    for (const folder of ["/sysroot/var/lib", "/run/petrify/root/home"]) sys.files.set(folder, undefined);
    sys.files.set("/sysroot/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    sys.files.set("/sysroot/etc/group", "root:x:0:\n");
    sys.files.set("/sysroot/etc/shadow", "root:*:1::::::\n");
    sys.modes.set("/sysroot/etc/shadow", 0o640);
  });
  whenDone(sys, /^mount ext4 \/dev\/vda4 \/oem$/, () => {
    for (const [path, text] of Object.entries(oem)) sys.files.set(path, text);
  });
  whenDone(sys, /^unmount \/oem$/, () => {
    for (const path of Object.keys(oem)) sys.files.delete(path);
  });
  return sys;
}
function run(sys: FakeSys): FakeSys {
  assert.throws(() => boot(sys, { reached: {} }, []), Gone);
  return sys;
}
const config = (sys: FakeSys): RunConfig => parseRunConfig(sys.readText("/run/petrify/config.json"))!;
const facts = (sys: FakeSys) => parseRunFacts(sys.readText("/run/petrify/boot.json"));
const whole = { 12: encodeCompiledConfig(CONFIG) };

test("a config is laid down before process 1 starts: users, files, host name, persistent folders", () => {
  const sys = run(machine({ slots: SLOT_A, generations: whole }));
  assert.match(sys.readText("/sysroot/etc/passwd"), /^ada:x:1000:1000::\/home\/ada:\/bin\/sh$/m);
  assert.match(sys.readText("/sysroot/etc/shadow"), /^ada:\$6\$x:/m);
  assert.ok(sys.done.includes("own /sysroot/etc/shadow.petrify-new 0:0 640"), "as secret as the image's");
  assert.equal(sys.readText("/sysroot/etc/app/net"), "net\n");
  assert.ok(sys.done.includes("own /sysroot/etc/app 1000:1000 750"), "owners are those of the config");
  assert.equal(sys.readText("/sysroot/etc/hostname"), "edge-7\n");
  assert.equal(sys.readText("/proc/sys/kernel/hostname"), "edge-7");
  assert.match(sys.readText("/sysroot/etc/fstab"), /^overlay \/var\/lib\/app overlay lowerdir=\/run\/petrify\/empty,/m);
  assert.deepEqual(facts(sys).image?.persistent, ["/home", "/var/lib/app"]);
  assert.deepEqual(facts(sys).notes, []);
  const { tookMs: _, ...left } = config(sys);
  assert.deepEqual(left, {
    ...{
      generation: 12,
      config: CONFIG.config,
      notes: [],
      stages: ["network.after"],
      users: { ada: 1000 },
      groups: { ada: 1000 },
    },
  });
  assert.equal(sys.exists("/run/petrify/stage-network"), true, "its service looks for that");
  assert.equal(sys.exists("/run/petrify/stage-fs"), false);
  assert.equal(sys.exists("/run/petrify/config-wanted"), false);
  assert.deepEqual(parseConfigData(sys.readText("/run/petrify/config-data.json")), {
    homes: [{ path: "/home/ada", uid: 1000, gid: 1000 }],
    entries: [CONFIG.entries[2]],
  });
  assert.equal(sys.modes.get("/run/petrify/config.json"), 0o600);
  assert.equal(sys.modes.get("/run/petrify/config-data.json"), 0o600);
});

test("the oem partition is mounted for a moment, read-only, and written to by nobody", () => {
  const sys = run(machine({ slots: SLOT_A, generations: whole }));
  const [from, to] = [sys.done.indexOf("mount ext4 /dev/vda4 /oem"), sys.done.indexOf("unmount /oem")];
  assert.ok(from > 0 && to > from);
  assert.deepEqual(sys.done.slice(from + 1, to), []);
});

test("numbers that users had are theirs again", () => {
  const ids = encodeIds({ user: new Map([["ada", 1234]]), group: new Map([["ada", 1235]]) });
  const sys = run(machine({ slots: SLOT_A, generations: whole, files: { [`${FOLDER}/ids`]: ids } }));
  assert.deepEqual([config(sys).users, config(sys).groups], [{ ada: 1234 }, { ada: 1235 }]);
});

test("without a config everything is the image's, and one is wanted", () => {
  const sys = run(machine({}));
  assert.equal(sys.readText("/sysroot/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  assert.equal(sys.readText("/run/petrify/config-wanted"), "there is none\n");
  assert.equal(config(sys).generation, undefined);
  assert.deepEqual(facts(sys).notes, []);
  assert.equal(sys.exists("/run/petrify/config-data.json"), false);
});

const DAMAGES: Readonly<Record<string, readonly [Readonly<Record<number, string>>, RegExp]>> = {
  "is not there": [{}, /machine config 12 cannot be used: it is not there/],
  "is damaged": [{ 12: whole[12].replace("edge-7", "edge-8") }, /12 cannot be used: it is damaged/],
  "is of newer software": [{ 12: encodeCheckedLines("petrify-config", 9, ["x"]) }, /it is of newer software \(format 9\)/],
};
for (const [what, [generations, why]] of Object.entries(DAMAGES)) {
  test(`a config that ${what} costs no boot: the one before is laid, and it is said`, () => {
    const slots = keepGeneration(keepGeneration(NO_SLOTS, "a", 11), "a", 12);
    const sys = run(machine({ slots, generations: { 11: whole[12], ...generations } }));
    assert.equal(config(sys).generation, 11);
    assert.match(facts(sys).notes.join(), why);
    assert.match(facts(sys).notes.join(), /machine config 11 is laid down instead/);
    assert.equal(sys.readText("/run/petrify/config-wanted"), "the slot's own cannot be used\n");

    const none = run(machine({ slots, generations }));
    assert.equal(config(none).generation, undefined);
    assert.equal(none.readText("/run/petrify/config-wanted"), "none can be used\n");
    assert.equal(none.readText("/sysroot/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  });
}

test("a partition that cannot be mounted, or read, is said, and the boot goes on", () => {
  for (const refused of ["mount ext4 /dev/vda4", "unmount /oem"]) {
    const sys = machine({ slots: SLOT_A, generations: whole });
    sys.refuses.set(refused, 5);
    run(sys);
    assert.match(facts(sys).notes.join(), /the machine config cannot be read, and is not laid down/);
    assert.equal(sys.readText("/run/petrify/config-wanted"), "the oem partition could not be read\n");
  }
});

const TRIAL = { id: "0123abcd", generation: 13, how: "boot" } as const;
const tried = {
  slots: beginTrial(SLOT_A, "a", TRIAL),
  generations: { ...whole, 13: encodeCompiledConfig({ ...CONFIG, hostname: "tried" }) },
};
test("a config on trial is laid by a boot that the loader has given to it, and by no other", () => {
  const given = machine(tried);
  given.files.set("/proc/cmdline", `${given.readText("/proc/cmdline").trim()} petrify.trial=${TRIAL.id}\n`);
  run(given);
  assert.deepEqual([config(given).generation, config(given).trial], [13, TRIAL.id]);
  assert.equal(given.readText("/sysroot/etc/hostname"), "tried\n");
  assert.equal(facts(given).trial, TRIAL.id);

  const other = run(machine(tried));
  assert.deepEqual([config(other).generation, config(other).trial, facts(other).trial], [12, undefined, undefined]);
});

test("recovery takes what a machine needs to be reached, and nothing else", () => {
  const sys = machine({ slots: SLOT_A, generations: whole });
  sys.files.set("/proc/cmdline", sys.readText("/proc/cmdline").replace("petrify.slot=a", "petrify.slot=recovery"));
  run(sys);
  assert.equal(facts(sys).slot, "recovery");
  assert.equal(sys.readText("/sysroot/etc/app/net"), "net\n");
  assert.equal(sys.readText("/sysroot/etc/hostname"), "edge-7\n");
  assert.equal(sys.readText("/sysroot/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  assert.deepEqual(facts(sys).image?.persistent, ["/home"]);
  assert.equal(sys.exists("/run/petrify/config-data.json"), false);
  assert.deepEqual(config(sys).stages, []);
});

test("a config of another image is laid all the same, and made anew once the system runs", () => {
  const sys = run(
    machine({
      slots: SLOT_A,
      generations: { 12: encodeCompiledConfig({ ...CONFIG, image: { name: "edge", version: "1.1.0" } }) },
    }),
  );
  assert.equal(config(sys).generation, 12);
  assert.equal(sys.readText("/run/petrify/config-wanted"), "it was made for another image\n");
});

test("what cannot be laid is noted and the rest is laid; what is made of more than a config is not its to lay", () => {
  const file = (path: string) =>
    ({ path, when: "root", owner: "root", what: { is: "file", mode: 0o644, content: { text: "evil" } } }) as const;
  const paths = ["/etc/passwd", "/etc/fstab", "/etc/machine-id", "/usr/bin/x", "/etc/fine"];
  const sys = run(machine({ slots: SLOT_A, generations: { 12: encodeCompiledConfig({ ...CONFIG, entries: paths.map(file) }) } }));
  assert.equal(config(sys).notes.length, 4);
  for (const path of ["/etc/passwd", "/etc/fstab", "/etc/machine-id"]) assert.notEqual(sys.readText(`/sysroot${path}`), "evil");
  assert.equal(sys.readText("/sysroot/etc/fine"), "evil");
});

test("an image whose accounts cannot be read keeps them: nobody is lost", () => {
  const sys = machine({ slots: SLOT_A, generations: whole });
  whenDone(sys, /^mount overlay overlay \/sysroot\/etc$/, () => sys.modes.set("/sysroot/etc/passwd", 0o120777));
  run(sys);
  assert.equal(sys.files.get("/sysroot/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  assert.match(config(sys).notes.join(), /users and groups are the image's: "\/etc\/passwd" is no file in this image/);
});

test("folders that cannot be persistent are said, and the others are", () => {
  const persistent = [
    "/home/x",
    "/usr/local/x",
    "/etc",
    "/a b",
    "/data",
    "/usr/lib/x",
    "/etc/conf",
    "/var/lib/app",
    "/var/lib/app/x",
  ];
  const sys = run(machine({ slots: SLOT_A, generations: { 12: encodeCompiledConfig({ ...CONFIG, persistent }) } }));
  assert.deepEqual(facts(sys).image?.persistent, ["/home", "/etc/conf", "/var/lib/app"]);
  assert.equal(facts(sys).notes.filter((note) => note.includes("cannot be persistent")).length, 7);
});
