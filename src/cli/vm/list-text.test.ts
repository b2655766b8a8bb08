import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB, MiB } from "../../core/units.ts";
import { listText } from "./list-text.ts";

const where = { folder: "/vms/x", console: "/vms/x/console.log" };
const source = { path: "/srv/backup.qcow2", sha256: "a".repeat(64) };

test("the list says of each VM what is known of it", () => {
  const text = listText([
    {
      ...{
        ...where,
        name: "web",
        state: "running",
        image: { name: "my-os", version: "0.1.0" },
        source,
        memory: 2 * GiB,
        cpus: 2,
      },
      ...{
        forwards: [
          { host: 8080, guest: 80 },
          { host: 2222, guest: 22 },
        ],
        pid: 4711,
        uptime: 93_784,
      },
    },
    { ...where, name: "old", state: "stopped", source, memory: 512 * MiB, cpus: 1, forwards: [] },
    { ...where, name: "torn", state: "unreadable", reason: "it is damaged" },
  ]);
  assert.equal(
    text,
    `NAME  STATE       IMAGE         MEMORY   CPUS  PORTS            PID   UPTIME
web   running     my-os 0.1.0   2 GiB    2     8080:80,2222:22  4711  1d 2h
old   stopped     backup.qcow2  512 MiB  1     -                -     -
torn  unreadable  -             -        -     -                -     -`,
  );
});

test("a list without VMs says how to make one", () => assert.match(listText([]), /petrify vm create/));

for (const [seconds, text] of [
  [0, "0s"],
  [59, "59s"],
  [62, "1min 2s"],
  [3600, "1h 0min"],
] as const) {
  test(`an uptime of ${seconds} s is ${text}`, () => {
    assert.ok(listText([{ ...where, name: "web", state: "running", uptime: seconds }]).endsWith(`  ${text}`));
  });
}
