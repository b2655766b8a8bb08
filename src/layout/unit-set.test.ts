import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeTree, type FakeFiles } from "./fake-tree.ts";
import { valueOf } from "./unit-file.ts";
import { unitSet } from "./unit-set.ts";

const ETC = "/etc/systemd/system";
const LIB = "/usr/lib/systemd/system";
const exec = (value: string): string => `[Service]\nExecStart=${value}\n`;

const load = (files: FakeFiles, name: string) => unitSet(fakeTree({ "/lib": { link: "usr/lib" }, ...files })).load(name);
const text = (files: FakeFiles, name: string): string => {
  const unit = load(files, name);
  return [unit.name, unit.state, valueOf(unit.settings, "Service", "ExecStart") ?? "-", ...unit.wants].join(" ");
};

for (const [what, files, name, want] of [
  ["a unit", { [`${LIB}/a.service`]: exec("/a") }, "a.service", "a.service loaded /a"],
  ["one that is not there", { [`${LIB}/`]: "" }, "a.service", "a.service missing -"],
  [
    "the administrator's before the package's",
    { [`${ETC}/a.service`]: exec("/b"), [`${LIB}/a.service`]: exec("/a") },
    "a.service",
    "a.service loaded /b",
  ],
  [
    "a mask",
    { [`${ETC}/a.service`]: { link: "/dev/null" }, "/dev/null": "", [`${LIB}/a.service`]: exec("/a") },
    "a.service",
    "a.service masked -",
  ],
  [
    "a mask where /dev is empty",
    { [`${ETC}/a.service`]: { link: "/dev/null" }, [`${LIB}/a.service`]: exec("/a") },
    "a.service",
    "a.service masked -",
  ],
  [
    "an empty file, which is a mask",
    { [`${ETC}/a.service`]: "", [`${LIB}/a.service`]: exec("/a") },
    "a.service",
    "a.service masked -",
  ],
  [
    "an instance of a template",
    { [`${LIB}/a@.service`]: exec("/a %i %I %p %n %%i") },
    "a@x-y.service",
    "a@x-y.service loaded /a x-y x/y a a@x-y.service %i",
  ],
  [
    "an instance of its own",
    { [`${LIB}/a@.service`]: exec("/a"), [`${LIB}/a@x.service`]: exec("/x") },
    "a@x.service",
    "a@x.service loaded /x",
  ],
  [
    "an alias",
    { [`${LIB}/b.service`]: { link: "a.service" }, [`${LIB}/a.service`]: exec("/a") },
    "b.service",
    "a.service loaded /a",
  ],
  [
    "an alias of a template",
    { [`${LIB}/b@.service`]: { link: "a@.service" }, [`${LIB}/a@.service`]: exec("/a %i") },
    "b@1.service",
    "a@1.service loaded /a 1",
  ],
  [
    "a link to a file elsewhere",
    { [`${ETC}/a.service`]: { link: "/opt/a.unit" }, "/opt/a.unit": exec("/a") },
    "a.service",
    "a.service loaded /a",
  ],
  [
    "a link that leads nowhere",
    { [`${ETC}/a.service`]: { link: "/opt/a.unit" }, [`${LIB}/a.service`]: exec("/a") },
    "a.service",
    "a.service loaded /a",
  ],
  [
    "a drop-in",
    { [`${LIB}/a.service`]: exec("/a"), [`${ETC}/a.service.d/x.conf`]: "[Service]\nExecStart=\nExecStart=/b\n" },
    "a.service",
    "a.service loaded /b",
  ],
  [
    "drop-ins in the order of their names",
    {
      [`${LIB}/a.service`]: "",
      [`${LIB}/a.service.d/0.conf`]: exec("/0"),
      [`${ETC}/a.service`]: exec("/a"),
      [`${LIB}/a.service.d/9.conf`]: exec("/9"),
      [`${ETC}/a.service.d/5.conf`]: exec("/5"),
    },
    "a.service",
    "a.service loaded /9",
  ],
  [
    "the administrator's drop-in of the same name",
    { [`${LIB}/a.service`]: exec("/a"), [`${LIB}/a.service.d/x.conf`]: exec("/x"), [`${ETC}/a.service.d/x.conf`]: exec("/y") },
    "a.service",
    "a.service loaded /y",
  ],
  [
    "a drop-in of all services",
    { [`${LIB}/a.service`]: exec("/a"), [`${LIB}/service.d/x.conf`]: exec("/x") },
    "a.service",
    "a.service loaded /x",
  ],
  [
    "a drop-in of a prefix",
    { [`${LIB}/a-b.service`]: exec("/a"), [`${LIB}/a-.service.d/x.conf`]: exec("/x") },
    "a-b.service",
    "a-b.service loaded /x",
  ],
  [
    "a drop-in of the template",
    { [`${LIB}/a@.service`]: exec("/a"), [`${LIB}/a@.service.d/x.conf`]: exec("/x %i") },
    "a@1.service",
    "a@1.service loaded /x 1",
  ],
  [
    "no drop-in of a file that is none",
    { [`${LIB}/a.service`]: exec("/a"), [`${LIB}/a.service.d/x.txt`]: exec("/x") },
    "a.service",
    "a.service loaded /a",
  ],
  [
    "what it wants",
    {
      [`${LIB}/a.target`]: "[Unit]\n",
      [`${ETC}/a.target.wants/b.service`]: { link: "/x" },
      [`${LIB}/a.target.requires/c.service`]: { link: "/x" },
    },
    "a.target",
    "a.target loaded - b.service c.service",
  ],
  ["where /usr is not merged", { "/lib": "", "/lib/systemd/system/a.service": exec("/a") }, "a.service", "a.service loaded /a"],
] as const) {
  test(`a unit as systemd would load it: ${what}`, () => assert.equal(text(files as unknown as FakeFiles, name), want));
}

test("all names are known, masked ones and templates with them", () => {
  const files = {
    [`${ETC}/a.service`]: { link: "/dev/null" },
    [`${LIB}/b@.service`]: "",
    [`${LIB}/a.service`]: "",
    [`${LIB}/x.txt`]: "",
  };
  assert.deepEqual(unitSet(fakeTree(files)).names, ["a.service", "b@.service"]);
});
