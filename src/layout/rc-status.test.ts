import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRcStatus } from "./rc-status.ts";

test("services are read with their states and runlevels, whatever else is said of them", () => {
  const text =
    "[sysinit]\npetrifyd =  started 00:01:02 (0)\nudev = stopped\n[Dynamic Runlevel: manual]\nssh = crashed\nnothing\n";
  assert.deepEqual(parseRcStatus(text), [
    { name: "petrifyd", state: "started", runlevel: "sysinit" },
    { name: "udev", state: "stopped", runlevel: "sysinit" },
    { name: "ssh", state: "crashed", runlevel: "Dynamic Runlevel: manual" },
  ]);
  assert.deepEqual(parseRcStatus(""), []);
});
