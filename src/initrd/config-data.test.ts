import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeEntry } from "../layout/compiled-config.ts";
import { CONFIG_DATA_PATH, encodeConfigData } from "../layout/run-config.ts";
import { encodeRunFacts } from "../layout/run-facts.ts";
import { layData, layFile } from "./config-data.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const ADA = { path: "/home/ada", uid: 1000, gid: 1001 };
const entry = (path: string, text = "x"): TreeEntry => ({
  ...{ path, when: "data", owner: "ada", what: { is: "file", mode: 0o600, content: { text } } },
});

function machine(entries: readonly TreeEntry[], homes = [ADA]): FakeSys {
  const image = { name: "edge", version: "1", created: 0, persistent: ["/home", "/var/lib/app"] };
  const sys = fakeSys({
    "/run/petrify/boot.json": encodeRunFacts({
      slot: "a",
      file: "/a.img",
      rootHash: "",
      partitions: {},
      notes: [],
      reached: {},
      image,
    }),
    [CONFIG_DATA_PATH]: encodeConfigData({ homes, entries }),
    ...{
      "/etc/passwd": "ada:x:1000:1001::/:/bin/sh\n",
      "/etc/group": "",
      "/etc/skel/.profile": "profile\n",
      "/etc/skel/sub/x": "x",
    },
  });
  for (const path of ["/home", "/usr/local", "/oem", "/var", "/var/lib", "/var/lib/app", "/etc/skel", "/etc/skel/sub"])
    sys.files.set(path, undefined);
  return sys;
}
const lay = (sys: FakeSys): FakeSys => {
  layData(sys);
  return sys;
};
const errors = (sys: FakeSys): string[] => sys.done.filter((line) => line.startsWith("error: "));

test("a home is made with what new users get, by one rename, and files come after it", () => {
  const sys = lay(machine([entry("/home/ada/.ssh/authorized_keys")]));
  assert.deepEqual(errors(sys), []);
  assert.equal(sys.readText("/home/ada/.profile"), "profile\n");
  assert.equal(sys.readText("/home/ada/sub/x"), "x");
  assert.equal(sys.readText("/home/ada/.ssh/authorized_keys"), "x");
  const steps = sys.done.filter((line) => line.includes("/home/ada"));
  const renamed = steps.indexOf("rename /home/ada.petrify-new /home/ada");
  assert.equal(steps[renamed - 1], "own /home/ada.petrify-new 1000:1001 700", "it appears with its owner");
  assert.ok(steps.slice(0, renamed).every((line) => line.includes("/home/ada.petrify-new")));
  assert.ok(sys.done.includes("own /home/ada.petrify-new/.profile 1000:1001 755"), "as the image has it, and the user's");
});

test("a home that is there is left alone, and one that a power cut left is made again", () => {
  const sys = machine([]);
  sys.files.set("/home/ada", undefined);
  lay(sys);
  assert.deepEqual(sys.done, [`remove ${CONFIG_DATA_PATH}`]);

  const cut = machine([]);
  cut.files.set("/home/ada.petrify-new/half", "x");
  lay(cut);
  assert.equal(cut.exists("/home/ada/half"), false);
  assert.equal(cut.readText("/home/ada/.profile"), "profile\n");
});

test("what is petrify's own, or in no folder that is kept, is not laid, and the rest is", () => {
  const paths = [
    "/usr/local/.petrify/ids",
    "/oem/petrify/config/ids",
    "/etc/x",
    "/var/x",
    "/usr/local/bin/x",
    "/oem/x",
    "/var/lib/app/x",
  ];
  const sys = lay(machine(paths.map((path) => entry(path))));
  assert.equal(errors(sys).length, 4);
  for (const path of paths.slice(0, 4)) assert.equal(sys.files.get(path), undefined, path);
  for (const path of paths.slice(4)) assert.equal(sys.readText(path), "x", path);
});

test("with a home that cannot be made, the others are, and it is said", () => {
  const sys = machine([], [{ ...ADA, path: "/proc/x/y" }, ADA]);
  lay(sys);
  assert.match(errors(sys).join(), /"\/proc\/x\/y" cannot be made/);
  assert.ok(sys.exists("/home/ada"));
});

test("it is done once: what is laid may be secret, and what is changed afterwards stays", () => {
  const sys = lay(machine([entry("/home/ada/x")]));
  assert.equal(sys.exists(CONFIG_DATA_PATH), false);
  sys.writeText("/home/ada/x", "changed");
  lay(sys);
  assert.equal(sys.readText("/home/ada/x"), "changed");
});

test("in a running system accounts and what is forgotten at a reboot are laid, too, and what cannot be is returned", () => {
  const sys = machine([]);
  const root = (path: string): TreeEntry => ({ ...entry(path), when: "root", owner: "bob" });
  const accounts = {
    subuid: "",
    gshadow: "",
    passwd: "ada:x:1000:1001::/:/bin/sh\nbob:x:1002:1002:\u00c3\u00a9:/:\n",
    shadow: "bob:*:1::::::\n",
  };
  sys.files.set("/etc/shadow", "");
  sys.modes.set("/etc/shadow", 0o640);
  sys.files.set(
    "/run/petrify/next.json",
    encodeConfigData({ accounts, homes: [], entries: [root("/etc/x"), root("/etc/passwd"), root("/usr/x"), entry("/home/x")] }),
  );
  const notes = layFile(sys, "/run/petrify/next.json");
  assert.equal(notes.length, 2, notes.join());
  assert.equal(sys.readText("/etc/passwd"), accounts.passwd);
  assert.ok(sys.done.includes("own /etc/shadow.petrify-new 0:0 640"));
  assert.ok(sys.done.includes("own /etc/subuid.petrify-new 0:0 644"));
  assert.ok(sys.done.includes("own /etc/gshadow.petrify-new 0:0 600"));
  assert.ok(sys.done.includes("own /etc/x.petrify-new 1002:1002 600"), "owners are those of the new accounts");
  assert.equal(sys.readText("/home/x"), "x");
  assert.equal(sys.exists("/run/petrify/next.json"), false);
});

test("a file of another format is not laid, and stays", () => {
  const sys = machine([]);
  sys.files.set("/run/petrify/next.json", '{"format":2}');
  assert.match(layFile(sys, "/run/petrify/next.json").join(), /is of another format/);
  assert.ok(sys.exists("/run/petrify/next.json"));
});

test("where nothing waits, nothing is done", () => {
  const sys = fakeSys();
  lay(sys);
  assert.deepEqual(sys.done, []);
});
