import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findVirtioPort, openVirtioPort } from "./virtio-port.ts";

test("a port is found by its name, and not where there is none", async (t) => {
  const sys = await mkdtemp(join(tmpdir(), "petrify-ports-"));
  t.after(async () => await rm(sys, { recursive: true }));
  for (const [device, name] of Object.entries({
    vport0p1: "org.qemu.guest_agent.0",
    vport0p2: "petrify.agent",
    vport0p3: undefined,
  })) {
    await mkdir(join(sys, device));
    if (name !== undefined) await writeFile(join(sys, device, "name"), `${name}\n`);
  }
  assert.equal(await findVirtioPort("petrify.agent", { sys, dev: "/dev" }), "/dev/vport0p2");
  assert.equal(await findVirtioPort("petrify", { sys }), undefined);
  assert.equal(await findVirtioPort("petrify.agent", { sys: join(sys, "absent") }), undefined);
});

test("a device is read and written without waiting for its other end", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "petrify-ports-"));
  t.after(async () => await rm(folder, { recursive: true }));
  const path = join(folder, "fifo"); // what is written to it comes back
  execFileSync("/usr/bin/mkfifo", [path]);
  await using port = await openVirtioPort(path);
  assert.equal((await port.read())!.length, 0);
  let room = 0;
  for (let taken = -1; taken !== 0; room += Math.max(0, taken)) taken = await port.write(new Uint8Array(40_000).fill(7));
  assert.ok(room >= 4096, `${room} bytes`);
  let back = 0;
  for (let got = -1; got !== 0; back += Math.max(0, got)) got = (await port.read())!.length;
  assert.equal(back, room);
});
