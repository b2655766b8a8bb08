import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

const withSsh = async () => await fixture({ packages: ["openssh-server"] });

suite("SSH host keys", { concurrency: 2 }, () => {
  test("are made once, and kept", async () => {
    await using booted = await machine(await withSsh());
    const { guest } = booted;
    await guest.ready();
    const first = await servedKey(guest);
    assert.equal((await guest.run("grep -r 'PRIVATE KEY' /run/petrify/root/etc/ssh")).status, 1, "the image has none");
    await guest.reboot();
    assert.equal(await servedKey(guest), first);
  });

  test("are there also where /oem cannot be mounted, for that boot", async () => {
    const made = await withSsh();
    using image = openImage(made.disk);
    const { start } = decodeGpt(image.read, image.size, 512).partitions.find(({ name }) => name === "oem")!;
    const patches = [{ offset: start, data: new Uint8Array(64 * 1024).fill(0x55) }];
    await using booted = await machine(made, { disk: { patches } });
    await booted.guest.ready();
    assert.notEqual((await booted.guest.run("mountpoint -q /oem")).status, 0);
    assert.match(await servedKey(booted.guest), /^ssh-ed25519 /);
  });
});

/** What the server shows to a client. */
async function servedKey(guest: Guest): Promise<string> {
  await guest.check("systemctl start ssh.service");
  return (await guest.check("ssh-keyscan -q -t ed25519 127.0.0.1")).replace(/^127\.0\.0\.1 /, "");
}
