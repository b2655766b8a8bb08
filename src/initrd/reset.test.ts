import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RESET_REQUEST_PATH } from "../layout/fstab.ts";
import { encodeResetRequest } from "../layout/reset-request.ts";
import { encodeRunFacts } from "../layout/run-facts.ts";
import { fakeSys, Gone, type FakeSys } from "./fake-sys.ts";
import { persist } from "./persist.ts";

const LAYERS = "/usr/local/.petrify/overlay";
const APP = `${LAYERS}/etc-app`;
const FOLDER = undefined;
const LINK = 0o120777;
const WHITEOUT = 0o020000;

/** A machine at boot: layers of /etc/app and /home, and other data beside them. */
function machine(request: string): FakeSys {
  const image = { name: "edge", version: "1", created: 0, persistent: ["/etc/app", "/home"] };
  const facts = { slot: "a", file: "/a.img", rootHash: "", disk: "/dev/vda", partitions: {}, notes: [], reached: {} } as const;
  const sys = fakeSys({ "/run/petrify/boot.json": encodeRunFacts({ ...facts, image }), [RESET_REQUEST_PATH]: request });
  const folder = (path: string): void => void sys.files.set(path, FOLDER);
  for (const path of ["/run/petrify/root/etc/app", "/run/petrify/root/home", "/usr/local"]) folder(path);
  for (const name of ["x.conf", "gone", "sub/y.conf", "anew/z.conf", "link/secret"]) {
    sys.files.set(`/run/petrify/root/etc/app/${name}`, "image");
  }
  for (const path of ["/usr/local/.petrify", LAYERS, APP, `${APP}/work`, `${APP}/upper`, `${APP}/upper/sub`, `${APP}/upper/anew`])
    folder(path);
  for (const path of [`${LAYERS}/home`, `${LAYERS}/home/work`, `${LAYERS}/home/upper`]) folder(path);
  sys.files.set(`${APP}/upper/x.conf`, "mine");
  sys.files.set(`${APP}/upper/gone`, "");
  sys.modes.set(`${APP}/upper/gone`, WHITEOUT);
  sys.files.set(`${APP}/upper/sub/y.conf`, "mine");
  sys.files.set(`${APP}/upper/sub/added`, "mine");
  sys.files.set(`${APP}/upper/anew/z.conf`, "mine");
  sys.files.set(`${APP}/upper/anew/added`, "mine");
  sys.opaque.add(`${APP}/upper/anew`);
  sys.files.set(`${APP}/upper/link`, "/home");
  sys.modes.set(`${APP}/upper/link`, LINK);
  sys.files.set(`${APP}/upper/link/secret`, "reached through the link"); // as lstat(2) would find it
  sys.files.set(`${LAYERS}/home/upper/user`, "mine");
  sys.files.set("/usr/local/data", "mine");
  return sys;
}
const request = (...paths: string[]): string => encodeResetRequest(paths);

/** What is kept, without what every boot makes. */
const kept = (sys: FakeSys): string[] =>
  [...sys.files.keys()].filter((path) => path.startsWith("/usr/local") && !path.endsWith("/work")).toSorted();
const everything = kept(machine(request()));
const without = (...gone: string[]): string[] =>
  everything.filter((path) => path !== RESET_REQUEST_PATH && !gone.some((root) => path === root || path.startsWith(`${root}/`)));

const TABLE: readonly (readonly [what: string, paths: string[], gone: string[]])[] = [
  ["a changed file", ["/etc/app/x.conf"], [`${APP}/upper/x.conf`]],
  ["a whiteout", ["/etc/app/gone"], [`${APP}/upper/gone`]],
  ["a folder with what is below it", ["/etc/app/sub"], [`${APP}/upper/sub`]],
  ["a file in a folder that merges", ["/etc/app/sub/y.conf"], [`${APP}/upper/sub/y.conf`]],
  ["a folder that was made anew", ["/etc/app/anew"], [`${APP}/upper/anew`]],
  ["what was added to a folder that was made anew", ["/etc/app/anew/added"], [`${APP}/upper/anew/added`]],
  ["a link, not what it points to", ["/etc/app/link"], [`${APP}/upper/link`]],
  ["each of several paths", ["/etc/app/sub", "/etc/app/x.conf"], [`${APP}/upper/sub`, `${APP}/upper/x.conf`]],
  ["a path and the folder above it", ["/etc/app/sub", "/etc/app/sub/y.conf"], [`${APP}/upper/sub`]],
];
for (const [what, paths, gone] of TABLE) {
  test(`${what} goes, and nothing else`, () => {
    const sys = machine(request(...paths));
    persist(sys);
    assert.deepEqual(kept(sys), without(...gone));
    assert.deepEqual(
      sys.done.filter((line) => line.startsWith("error")),
      [],
    );
  });
}

test("a whole persistent folder is empty, and has the owner and mode of the image's", () => {
  const sys = machine(request("/etc/app"));
  persist(sys);
  assert.deepEqual(kept(sys), [...without(`${APP}/upper`), `${APP}/upper`].toSorted());
  assert.ok(sys.done.includes(`own ${APP}/upper.new 0:0 755`));
});

const REFUSED: readonly (readonly [what: string, request: string, note: RegExp])[] = [
  ["a path in no persistent folder", request("/usr/local/data"), /it is in no persistent folder of this image/],
  ["a folder that holds a persistent one", request("/etc"), /it is in no persistent folder of this image/],
  ["what lies behind a link", request("/etc/app/link/secret"), /\/etc\/app\/link hides it/],
  ["the image's file below a folder that was made anew", request("/etc/app/anew/z.conf"), /\/etc\/app\/anew was made anew/],
  ["a path with ..", '{"format":1,"paths":["/etc/app/../../data"]}', /no list of absolute paths/],
  ["a path that is not absolute", '{"format":1,"paths":["etc/app"]}', /no list of absolute paths/],
  ["one bad path among good ones", '{"format":1,"paths":["/etc/app/x.conf","/"]}', /no list of absolute paths/],
  ["another format", '{"format":2,"paths":["/etc/app/x.conf"]}', /has format 2, not 1/],
  ["half a request", '{"format":1,"paths":["/etc/app/x.co', /is not JSON/],
  ["an empty request", "", /is not JSON/],
];
for (const [what, text, note] of REFUSED) {
  test(`${what} is passed over with a note, and not tried again`, () => {
    const sys = machine(text);
    persist(sys);
    assert.deepEqual(kept(sys), without());
    assert.match(
      sys.done.find((line) => line.startsWith("error"))!,
      note,
    );
  });
}

test("whatever a request says, nothing outside of the layers goes", () => {
  const part = fc.constantFrom("etc", "app", "upper", "..", ".", "", "home", "usr", "local", "data", "anew", "link", "secret");
  const path = fc.array(part, { maxLength: 6 }).map((parts) => `/${parts.join("/")}`);
  const text = fc.oneof(
    fc.array(path).map((paths) => JSON.stringify({ format: 1, paths })),
    fc.string(),
    fc.json(),
  );
  fc.assert(
    fc.property(text, (any) => {
      const sys = machine(any);
      persist(sys);
      const outside = (list: string[]): string[] => list.filter((name) => !/\/upper(\/|$)|reset\.json$/.test(name));
      assert.deepEqual(outside(kept(sys)), outside(everything));
      for (const name of ["etc-app", "home"]) assert.ok(sys.exists(`${LAYERS}/${name}/upper`));
      assert.equal(sys.exists(`${APP}/upper/link/secret`), sys.exists(`${APP}/upper/link`));
    }),
  );
});

test("a power cut at any moment leaves each path as it was or the image's, and the next boot does the rest", () => {
  const paths = ["/etc/app/sub", "/etc/app/x.conf", "/home"];
  const whole = machine(request(...paths));
  persist(whole);
  const wanted = kept(whole);
  assert.deepEqual(wanted, without(`${APP}/upper/sub`, `${APP}/upper/x.conf`, `${LAYERS}/home/upper/user`));
  const steps = whole.done.filter((line) => !/^(info|error):/.test(line)).length;
  assert.ok(steps > 8, `${steps} steps`);
  for (let cut = 0; cut < steps; cut++) {
    const sys = machine(request(...paths));
    let step = 0;
    sys.react = (line) => {
      if (step++ >= cut) throw new Gone(line); // neither this nor anything after it has an effect
    };
    try {
      persist(sys);
    } catch (error) {
      assert.ok(error instanceof Gone);
    }
    const sub = ["", "/added", "/y.conf"].map((name) => sys.exists(`${APP}/upper/sub${name}`));
    assert.equal(new Set(sub).size, 1, `cut ${cut}: a folder is there as a whole or not at all`);
    sys.react = () => {};
    persist(sys);
    assert.deepEqual(kept(sys), wanted, `cut ${cut}`);
  }
});

test("the request goes when what it asked for is on the disk, and is off the disk before anything can be written", () => {
  const sys = machine(request("/etc/app/x.conf"));
  persist(sys);
  const order = sys.done.filter((line) => /^(rename|sync|remove)/.test(line));
  assert.deepEqual(order, [
    `rename ${APP}/upper/x.conf ${APP}/discarded/0`,
    "sync",
    `remove ${RESET_REQUEST_PATH}`,
    "sync",
    `remove ${APP}/discarded`,
  ]);
});

test("what is written after a reset stays at the next boot", () => {
  const sys = machine(request("/etc/app/x.conf"));
  persist(sys);
  sys.files.set(`${APP}/upper/x.conf`, "mine again");
  persist(sys);
  assert.ok(sys.exists(`${APP}/upper/x.conf`));
});

test("a request that cannot be removed keeps the overlays from being mounted", () => {
  const sys = machine(request("/etc/app/x.conf"));
  sys.refuses.set(`remove ${RESET_REQUEST_PATH}`, 5);
  assert.throws(() => persist(sys), /errno 5/);
});

test("a path that cannot be moved stays, is named, and is not tried again", () => {
  const sys = machine(request("/etc/app/x.conf", "/home"));
  sys.refuses.set(`rename ${APP}/upper/x.conf`, 5);
  persist(sys);
  assert.ok(sys.exists(`${APP}/upper/x.conf`));
  assert.equal(sys.exists(`${LAYERS}/home/upper/user`), false);
  assert.equal(sys.exists(RESET_REQUEST_PATH), false);
  assert.match(
    sys.done.find((line) => line.startsWith("error"))!,
    /\/etc\/app\/x\.conf is not reset: .*errno 5/,
  );
});

test("what cannot be deleted fails no boot, and is deleted at the next", () => {
  const sys = machine(request("/etc/app/x.conf"));
  sys.refuses.set(`remove ${APP}/discarded`, 5);
  persist(sys);
  assert.deepEqual(kept(sys), [...without(`${APP}/upper/x.conf`), `${APP}/discarded`, `${APP}/discarded/0`].toSorted());
  sys.refuses.clear();
  persist(sys);
  assert.deepEqual(kept(sys), without(`${APP}/upper/x.conf`));
});
