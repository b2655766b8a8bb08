import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { API_PROGRAMS } from "./api-programs.ts";
import { confine } from "./confine.ts";
import { fakeCalls, Replaced } from "./fake-calls.ts";
import { fakeSys } from "./fake-sys.ts";
import { SysError } from "./sys.ts";

const PARENT = 50;
const [API, LOOK] = API_PROGRAMS as [(typeof API_PROGRAMS)[number], (typeof API_PROGRAMS)[number]];

function machine() {
  const sys = fakeSys({
    "/run/petrify/boot.json": "{}",
    "/oem/identity/node-key.pem": "a key",
    "/oem/petrify/api/ca.pem": "an authority",
    "/run/petrify/api-token": "a token",
    "/dev/null": "",
    "/proc/self/oom_score_adj": "",
  });
  for (const folder of ["/tmp", "/oem"]) sys.files.set(folder, undefined);
  const calls = fakeCalls();
  calls.answers.set("getppid", () => PARENT);
  calls.answers.set("getpid", () => 51);
  // The kernel has 41 capabilities.
  calls.answers.set("prctl 23", ([, one]) => (Number(one) <= 40 ? 1 : -22));
  return { sys, calls };
}
/** Where a line that begins so is; it has to be there. */
const at = (lines: readonly string[], start: string): number => {
  const found = lines.findIndex((line) => line.startsWith(start));
  assert.ok(found >= 0, `${start} is in ${lines.join("\n")}`);
  return found;
};

suite("a program of the API", () => {
  test("becomes nobody, and gains nothing any more, before it is started; it gets copies of what it needs", () => {
    const { sys, calls } = machine();
    assert.throws(() => confine(sys, calls, API, PARENT), Replaced);
    const { done } = calls;
    const order = ["unshare 1073872896", "mount_setattr", "prctl 24 0", "setgroups 0 0", "setresuid 61184 61184 61184", "capset"];
    const places = [...order, "prctl 38 1", "dup2 0 3", "prctl 1 15", "getppid", "exec"].map((start) => at(done, start));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    assert.equal(done.filter((line) => line.startsWith("prctl 24 ")).length, 41, "nothing can be had again");
    assert.ok(!done.some((line) => line.startsWith("prctl 47 ")), "nothing is passed on");
    for (const line of ["LISTEN_FDS=1", "LISTEN_PID=51", "CREDENTIALS_DIRECTORY=/run/petrify/private/credentials"])
      at(done, line);
    const folder = "/run/petrify/private/credentials";
    assert.deepEqual(
      [...sys.files].filter(([path]) => path.startsWith(`${folder}/`)),
      [
        [`${folder}/key`, "a key"],
        [`${folder}/token`, "a token"],
        [`${folder}/api_ca.pem`, "an authority"],
      ],
    );
    for (const name of ["key", "token", "api_ca.pem"]) at(sys.done, `own ${folder}/${name} 61184:61184 400`);
    at(sys.done, "mount 4096 /run/petrify/private/empty /oem");
    assert.ok(at(sys.done, "mount ramfs") < at(sys.done, `create ${folder}/key`), "never on a disk");
  });

  test("that looks keeps four capabilities, the network, and sees neither key nor authorities", () => {
    const { sys, calls } = machine();
    assert.throws(() => confine(sys, calls, LOOK, PARENT), Replaced);
    at(calls.done, "unshare 131072");
    for (const one of [2, 13, 19, 34]) {
      at(calls.done, `prctl 47 2 ${one} `);
      assert.ok(!calls.done.some((line) => line.startsWith(`prctl 24 ${one} `)));
    }
    assert.equal(calls.done.filter((line) => line.startsWith("prctl 24 ")).length, 37);
    for (const hidden of ["/oem/identity", "/oem/petrify/api"]) at(sys.done, `mount 4096 /run/petrify/private/empty ${hidden}`);
  });

  for (const refused of ["unshare", "mount_setattr", "prctl 24", "setgroups", "setresuid", "capset", "prctl 38", "prlimit64"]) {
    test(`is not started where the kernel refuses ${refused}`, () => {
      const { sys, calls } = machine();
      calls.answers.set(refused, () => -1);
      assert.throws(() => confine(sys, calls, API, PARENT), SysError);
      assert.ok(!calls.done.some((line) => line.startsWith("exec")));
    });
  }

  test("is not started once what was to start it is gone: nobody would end it", () => {
    const { sys, calls } = machine();
    assert.throws(() => confine(sys, calls, API, PARENT + 1), /is gone/);
    assert.ok(!calls.done.some((line) => line.startsWith("exec")));
  });
});
