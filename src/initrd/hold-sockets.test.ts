import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { API_PROGRAMS } from "./api-programs.ts";
import { fakeCalls } from "./fake-calls.ts";
import { fakeSys } from "./fake-sys.ts";
import { openHolder } from "./hold-sockets.ts";

const AUTHORITY = "/oem/petrify/api/ca.pem";

function machine(files: Readonly<Record<string, string>>) {
  const sys = fakeSys({ "/proc/cmdline": "root=/dev/x", ...files });
  const calls = fakeCalls();
  let next = 10;
  calls.answers.set("socket", () => next++);
  calls.answers.set("getpid", () => 50);
  calls.answers.set("pidfd_open", ([pid]) => Number(pid) + 1000);
  const turn = openHolder(sys, calls);
  return {
    ...{ sys, calls },
    /** What a turn waits for, and how long; these have something to tell. */
    turn: (...ready: readonly number[]) => {
      let waits: readonly number[] = [];
      let limit = 0;
      calls.answers.set("poll", ([entries, count, milliseconds]) => {
        const view = new DataView(entries as ArrayBuffer);
        waits = Array.from({ length: Number(count) }, (_, one) => view.getInt32(one * 8, true));
        for (const [one, fd] of waits.entries()) if (ready.includes(fd)) view.setInt16(one * 8 + 6, 1, true);
        limit = Number(milliseconds);
        return ready.length;
      });
      turn();
      return { waits, limit };
    },
    started: () => calls.done.filter((line) => line.startsWith("spawn")).map((line) => line.replace(/.*confine /, "")),
  };
}

suite("sockets of the API", () => {
  test("are not there while nobody owns the machine; an authority that comes is seen", () => {
    const at = machine({});
    assert.deepEqual(at.turn(), { waits: [], limit: 3000 });
    at.sys.files.set(AUTHORITY, "");
    assert.deepEqual(at.turn(), { waits: [10, 11, 12], limit: -1 });
    assert.deepEqual(
      at.calls.done.filter((line) => /^(bind|chmod)/.test(line)),
      [
        "bind 10 [] 28",
        "bind 11 [] 25",
        "chmod /run/petrify/look.sock 438",
        "bind 12 [] 28",
        "chmod /run/petrify/forward.sock 438",
      ],
    );
  });

  for (const [what, files] of [
    ["its image says so", { "/usr/lib/petrify/api-maintenance": "" }],
    ["who boots it says so", { "/proc/cmdline": "quiet petrify.maintenance" }],
  ] as const)
    test(`of a machine that waits for an owner, as ${what}, there is the API's alone`, () => {
      assert.deepEqual(machine(files).turn(), { waits: [10], limit: 3000 });
    });

  test("have their programs started by who calls, once, and again when those have ended", () => {
    const at = machine({ [AUTHORITY]: "" });
    at.turn(11);
    assert.deepEqual(at.started(), ["look 50 <11"]);
    assert.deepEqual(at.turn(), { waits: [10, 1100, 12], limit: -1 });
    at.turn(1100);
    assert.ok(at.calls.done.includes("close 1100"));
    assert.deepEqual(at.turn(11).waits, [10, 11, 12]);
    assert.deepEqual(at.started(), ["look 50 <11", "look 50 <11"]);
  });

  test("whose programs fail are left alone for a while", () => {
    const at = machine({ [AUTHORITY]: "" });
    at.turn(10);
    at.calls.ends.set(100, 256);
    at.turn(1100);
    assert.deepEqual(at.turn(), { waits: [11, 12], limit: 3000 });
    assert.match(at.sys.done.at(-1)!, /petrify-api: it has ended with status 256/);
    at.sys.pause(3000);
    assert.deepEqual(at.turn(10).waits, [10, 11, 12]);
    assert.equal(at.started().length, 2);
  });

  test("are of IPv4 where the kernel has nothing else, and tried again where they cannot be had", () => {
    const at = machine({ [AUTHORITY]: "" });
    at.calls.answers.delete("socket");
    at.calls.answers.set("socket 10", () => -97);
    at.calls.answers.set("socket", () => 20);
    at.calls.answers.set("bind 20 [] 16", () => -98);
    assert.deepEqual(at.turn().limit, 3000);
    assert.ok(at.sys.done.some((line) => line.includes("petrify-api: bind to port 50000")));
    at.calls.answers.delete("bind 20 [] 16");
    at.turn();
    at.sys.pause(3000);
    assert.equal(at.turn().waits.length, API_PROGRAMS.length);
  });
});
