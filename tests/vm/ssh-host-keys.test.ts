import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { SEED_OFFSET } from "../../src/layout/random-seed.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

const withSsh = async () => await fixture({ packages: ["openssh-server"] });
const REBOOTS = FULL ? 3 : 1;

suite("what is a machine's own", { concurrency: 2, skip: inTurn(2) }, () => {
  /** Of both machines of this suite, whose disks were written from one file. */
  const own: (readonly string[])[] = [];
  after(() => {
    assert.equal(own.length, 2);
    const all = own.flat();
    assert.equal(new Set(all).size, all.length, "no two machines share an id, a key or a seed");
  });

  test(`SSH host keys, the machine's key, its ids: made once, and the same after ${REBOOTS === 1 ? "a reboot" : `${REBOOTS} reboots`}; its random seed is another at each`, async () => {
    await using booted = await machine(await withSsh());
    const { guest } = booted;
    await guest.ready();
    const first = await kept(guest);
    assert.match((await statusOf(guest)).fingerprint!, /^SHA256:/);
    const key = await guest.check("sha256sum </oem/identity/node-key.pem");
    const hostKeys = await guest.check("cd /oem/petrify/etc/ssh && sha256sum *_key");
    assert.equal((await guest.run("grep -r 'PRIVATE KEY' /run/petrify/root/etc/ssh")).status, 1, "the image has none");
    const seeds = [await seedOf(guest)];
    own.push([...first, key, ...hostKeys.split("\n"), seeds[0]!]);
    for (let count = 0; count < REBOOTS; count++) {
      await guest.reboot();
      assert.deepEqual(await kept(guest), first);
      assert.equal(await guest.check("cd /oem/petrify/etc/ssh && sha256sum *_key"), hostKeys);
      await statusOf(guest);
      assert.equal(await guest.check("sha256sum </oem/identity/node-key.pem"), key);
      seeds.push(await seedOf(guest));
    }
    assert.equal(new Set(seeds).size, seeds.length, "no seed is used twice");
  });

  test("SSH host keys are there also where /oem cannot be mounted, for that boot", async () => {
    const made = await withSsh();
    using image = openImage(made.disk);
    const { start } = decodeGpt(image.read, image.size, 512).partitions.find(({ name }) => name === "oem")!;
    const patches = [{ offset: start, data: new Uint8Array(64 * 1024).fill(0x55) }];
    await using booted = await machine(made, { disk: { patches } });
    const { guest } = booted;
    await guest.ready();
    assert.notEqual((await guest.run("mountpoint -q /oem")).status, 0);
    await statusOf(guest);
    own.push([...(await kept(guest)), await seedOf(guest)]);
  });
});

/** The key that the server shows to a client, the machine-id, and the GUIDs of the disk's partitions. */
async function kept(guest: Guest): Promise<string[]> {
  await guest.check("systemctl start ssh.service");
  const served = (await guest.check("ssh-keyscan -q -t ed25519 127.0.0.1")).replace(/^127\.0\.0\.1 /, "");
  assert.match(served, /^ssh-ed25519 /);
  const { partitions } = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
  const guids = Object.values(partitions).map(({ guid }) => guid);
  assert.equal(guids.length, 7);
  return [served, await guest.check("cat /etc/machine-id"), ...guids.toSorted()];
}

/** What this boot's agent has left for the next one, past the page cache. */
const seedOf = async (guest: Guest): Promise<string> => {
  const { partitions } = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
  const read = `dd if=${partitions.record!.device} bs=4096 skip=${SEED_OFFSET / 4096} count=1 iflag=direct status=none`;
  // It is written as soon as the agent runs, which is not before it answers.
  const { status, output } = await guest.run(`until ${read} | grep -q '^petrify-seed'; do sleep 0.2; done; ${read} | sha256sum`);
  assert.equal(status, 0, output);
  return output.trim();
};
