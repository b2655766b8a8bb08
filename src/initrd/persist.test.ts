import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageFacts } from "../layout/image-facts.ts";
import { encodeRunConfig, NO_RUN_CONFIG } from "../layout/run-config.ts";
import { encodeRunFacts } from "../layout/run-facts.ts";
import { fakeSys } from "./fake-sys.ts";
import { persist } from "./persist.ts";

const machine = (more: Pick<ImageFacts, "profile"> = {}) => {
  const image = { name: "edge", version: "1", created: 0, persistent: ["/root", "/var/log", "/a b"], ...more };
  const facts = {
    slot: "a",
    file: "/a.img",
    rootHash: "",
    disk: "/dev/vda",
    partitions: { persistent: { guid: "", device: "/dev/vda7" } },
    notes: [],
    reached: {},
    image,
  } as const;
  const accounts = { "/run/petrify/root/etc/passwd": "a:x:5:5::/:\n", "/run/petrify/root/etc/group": "a:x:5:\n" };
  const sys = fakeSys({
    ...accounts,
    "/run/petrify/boot.json": encodeRunFacts(facts),
    "/run/petrify/root/usr/local/share/readme": "text",
  });
  for (const path of ["/root", "/var/log", "/usr/local", "/usr/local/bin"]) sys.files.set(`/run/petrify/root${path}`, undefined);
  sys.files.set("/usr/local", undefined);
  return sys;
};

test("a persistent folder's upper layer appears whole, with the owner and mode of the image's folder", () => {
  const sys = machine();
  persist(sys);
  const layers = "/usr/local/.petrify/overlay";
  assert.deepEqual(
    sys.done.filter((line) => line.includes(layers)),
    [
      `mkdir ${layers} 700`,
      `mkdir ${layers}/root 700`,
      `mkdir ${layers}/root/work 700`,
      `mkdir ${layers}/root/upper.new 700`,
      `own ${layers}/root/upper.new 0:0 755`,
      `rename ${layers}/root/upper.new ${layers}/root/upper`,
      `mkdir ${layers}/var-log 700`,
      `mkdir ${layers}/var-log/work 700`,
      `mkdir ${layers}/var-log/upper.new 700`,
      `own ${layers}/var-log/upper.new 0:0 755`,
      `rename ${layers}/var-log/upper.new ${layers}/var-log/upper`,
    ],
  );
});

test("the image's empty folders of /usr/local are there too", () => {
  const sys = machine();
  persist(sys);
  assert.deepEqual(sys.list("/usr/local"), [".petrify", "bin", "share"]);
  assert.equal(sys.exists("/usr/local/share/readme"), false);
});

test("of a sealed image, folders of /usr/local that systemd and others look into are empty and read-only, also where somebody has put a link", () => {
  const sys = machine({ profile: "sealed" });
  sys.files.set("/usr/local/lib/systemd/system/evil.service", "x");
  sys.makeLink("/usr/local/share", "/etc");
  sys.done.length = 0;
  persist(sys);
  for (const name of ["bin", "lib", "share", "etc"]) {
    const at = sys.done.indexOf(`mount 4096 /run/petrify/empty /usr/local/${name}`);
    assert.ok(at >= 0, name);
    assert.equal(sys.done[at + 1], `mount ${1 | 2 | 4 | 8 | 32 | 4096}  /usr/local/${name}`);
  }
  const gone = sys.done.indexOf("remove /usr/local/share");
  assert.ok(gone >= 0 && gone < sys.done.indexOf("mount 4096 /run/petrify/empty /usr/local/share"));
  const open = machine();
  persist(open);
  assert.equal(open.done.filter((line) => line.startsWith("mount")).length, 0);
});

test("a second boot changes nothing", () => {
  const sys = machine();
  persist(sys);
  const before = sys.done.length;
  persist(sys);
  assert.equal(sys.done.length, before);
});

test("the reserve is given back before anything is made", () => {
  const sys = machine();
  sys.files.set("/usr/local/.petrify/reserve/0", undefined);
  persist(sys);
  assert.equal(sys.exists("/usr/local/.petrify/reserve"), false);
  assert.equal(
    sys.done.find((line) => !line.startsWith("info")),
    "remove /usr/local/.petrify/reserve",
  );

  const damaged = machine();
  damaged.files.set("/usr/local/.petrify/reserve/0", undefined);
  damaged.refuses.set("remove /usr/local/.petrify/reserve", 5);
  persist(damaged);
  assert.equal(damaged.exists("/usr/local/.petrify/overlay/root/upper"), true);
});

test("a layer that was cut short by a crash is made again", () => {
  const sys = machine();
  sys.refuses.set("own /usr/local/.petrify/overlay/root/upper.new", 5);
  assert.throws(() => persist(sys), /errno 5/);
  assert.equal(sys.exists("/usr/local/.petrify/overlay/root/upper"), false);
  sys.refuses.clear();
  persist(sys);
  assert.equal(sys.exists("/usr/local/.petrify/overlay/root/upper"), true);
});

test("owners follow the image before the layers are made, and what keeps them from it does not keep the layers", () => {
  const sys = machine();
  persist(sys);
  const at = (line: string): number => sys.done.indexOf(line);
  assert.ok(at("rename /usr/local/.petrify/ids.new /usr/local/.petrify/ids") > 0);
  assert.ok(at("rename /usr/local/.petrify/ids.new /usr/local/.petrify/ids") < at("mkdir /usr/local/.petrify/overlay 700"));

  const damaged = machine();
  damaged.refuses.set("create ", 28);
  persist(damaged);
  assert.match(
    damaged.done.find((line) => line.startsWith("error: "))!,
    /persistent files may have wrong owners/,
  );
  assert.equal(damaged.exists("/usr/local/.petrify/overlay/root/upper"), true);
});

test("a folder that the image does not have is made all the same, and so it stays root's", () => {
  const sys = machine();
  sys.files.delete("/run/petrify/root/var/log");
  persist(sys);
  assert.ok(sys.done.includes("own /usr/local/.petrify/overlay/var-log/upper.new 0:0 755"));
});

test("numbers of users of the machine config are recorded with the image's", () => {
  const sys = machine();
  const config = { ...NO_RUN_CONFIG, users: { ada: 1000 }, groups: { ada: 1001 } };
  sys.files.set("/run/petrify/config.json", encodeRunConfig(config));
  persist(sys);
  assert.match(sys.readText("/usr/local/.petrify/ids"), /^user 5 a\nuser 1000 ada\ngroup 5 a\ngroup 1001 ada$/m);
});
