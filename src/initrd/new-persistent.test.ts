import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageFacts } from "../layout/image-facts.ts";
import { encodeConfigData } from "../layout/run-config.ts";
import { encodeRunFacts, parseRunFacts } from "../layout/run-facts.ts";
import { layFile } from "./config-data.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const FACTS = "/run/petrify/boot.json";
const NEXT = "/run/petrify/config-lay.json";
const IMAGE: ImageFacts = {
  name: "web",
  version: "1",
  created: 0,
  persistent: ["/home"],
  init: { kind: "openrc", path: "/init" },
};

/** What is laid while the machine boots. */
function laid(persistent: readonly string[], prepare: (sys: FakeSys) => void = () => {}) {
  const sys = fakeSys({
    [FACTS]: encodeRunFacts({
      ...{ slot: "a", file: "/a.img", rootHash: "00", notes: [], reached: {}, image: IMAGE },
      partitions: { oem: { guid: "o", device: "/dev/vda3" }, persistent: { guid: "p", device: "/dev/vda7" } },
    }),
    ...{ "/etc/passwd": "", "/etc/group": "", "/etc/fstab": "" },
  });
  const folders = ["/home", "/usr/local", "/oem", "/var", "/var/lib", "/var/lib/app", "/run/petrify/root/var/lib/app"];
  for (const path of folders) sys.files.set(path, undefined);
  prepare(sys);
  const entry = { path: "/var/lib/app/conf", when: "data", owner: "0:0" } as const;
  const what = { is: "file", mode: 0o644, content: { text: "x" } } as const;
  sys.files.set(NEXT, encodeConfigData({ persistent, homes: [], entries: [{ ...entry, what }] }));
  const notes = layFile(sys, NEXT);
  const mounts = sys.done.filter((line) => line.startsWith("mount "));
  return { sys, notes, mounts, known: parseRunFacts(sys.readText(FACTS)).image!.persistent };
}

test("a folder keeps what is written to it from then on: it is mounted, in the fstab, known, and files of the config go there", () => {
  const { sys, notes, mounts, known } = laid(["/var/lib/app", "/var/lib/new"]);
  assert.deepEqual(notes, []);
  assert.deepEqual(mounts, ["mount overlay overlay /var/lib/app", "mount overlay overlay /var/lib/new"]);
  assert.deepEqual(known, ["/home", "/var/lib/app", "/var/lib/new"]);
  assert.match(sys.readText("/etc/fstab"), /^overlay \/var\/lib\/new overlay lowerdir=\/run\/petrify\/empty,/m);
  assert.match(sys.readText("/etc/fstab"), /^overlay \/var\/lib\/app overlay lowerdir=\/run\/petrify\/root\/var\/lib\/app,/m);
  assert.match(sys.readText("/etc/fstab"), /^\/run\/petrify\/dev\/oem \/oem ext4 (?!.*x-systemd)/m, "as this init reads it");
  assert.equal(sys.readText("/var/lib/app/conf"), "x");
});

test("one that is persistent already is left alone, and one that cannot be is told", () => {
  const { notes, mounts, known } = laid(["/home", "/usr/lib/app"]);
  assert.deepEqual([mounts, known], [[], ["/home"]]);
  assert.equal(notes.length, 2, notes.join("\n"));
  assert.match(notes[0]!, /"\/usr\/lib\/app" cannot be persistent/);
});

test("one that cannot be mounted waits for the next boot, and the others do not", () => {
  const { notes, known } = laid(["/var/lib/app", "/var/lib/new"], (sys) =>
    sys.refuses.set("mount overlay overlay /var/lib/new", 5),
  );
  assert.equal(notes.length, 1, notes.join("\n"));
  assert.match(notes[0]!, /^\/var\/lib\/new keeps nothing that is written to it before the next boot/);
  assert.deepEqual(known, ["/home", "/var/lib/app"]);
});
