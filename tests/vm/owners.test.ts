import assert from "node:assert/strict";
import { test } from "node:test";
import { IDS_PATH } from "../../src/layout/persistent-ids.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture, type FixtureOptions } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";

/** Two images of one system, built without a common lock: ids shift, dave gets the number that carol had, and uuidd the one of tcpdump. */
const PACKAGES = ["acl", "libcap2-bin", "tcpdump"];
const IMAGES: FixtureOptions = {
  packages: PACKAGES,
  users: ["{ name: alice, uid: 1500 }", "{ name: bob, uid: 1501 }", "{ name: carol, uid: 1502 }"],
  slotB: {
    packages: [...PACKAGES, "uuid-runtime"],
    users: ["{ name: bob, uid: 1500 }", "{ name: alice, uid: 1501 }", "{ name: dave, uid: 1502 }"],
  },
};
const SHIFTED = ["alice", "bob", "tcpdump"];

const MAKE = `set -e
for user in ${[...SHIFTED, "carol"].join(" ")}; do
  mkdir -p /usr/local/test/$user /var/lib/test/$user
  echo $user | tee /usr/local/test/$user/file /var/lib/test/$user/file >/usr/local/test/$user/$(printf 'caf\\351')
  chown -R $user:$user /usr/local/test/$user /var/lib/test/$user
done
touch /home/alice/mark /home/bob/mark # the folders are the image's until now
cd /usr/local/test
ln alice/file bob/linked
ln -s nowhere bob/link && chown -h bob:alice bob/link
cp /bin/true alice/set-uid && chown alice:bob alice/set-uid && chmod 6755 alice/set-uid
cp /bin/true bob/capable && chown bob:tcpdump bob/capable && setcap cap_net_raw=ep bob/capable
setfacl -m u:alice:r,g:bob:rw tcpdump/file
setfacl -d -m u:carol:rwx,g:tcpdump:rx tcpdump
mkfifo tcpdump/pipe && chown tcpdump:alice tcpdump/pipe
touch bob/immutable && chown bob:bob bob/immutable && chattr +i bob/immutable
mkdir container && chown 100000:100001 container
long=$(printf '%0200d' 0)
path=alice; for n in $(seq 30); do path=$path/$long; done
mkdir -p $path && chown -R alice:alice alice/$long`;

/** Everything that tells an owner. */
const SHOW = `cd /usr/local/test
find /usr/local/test /var/lib/test /home/alice /home/bob -printf '%y %M %u:%g %p\\n' | sed 's/0\\{200\\}/LONG/g' | grep -vE 'e(/LONG){1,29}$'
getcap bob/capable
getfacl --absolute-names tcpdump tcpdump/file
lsattr bob/immutable`;

test(
  "two images whose packages and users have other ids: owners of persistent files are right in both, there and back",
  { skip: inTurn(2) },
  async () => {
    const made = await fixture(IMAGES);
    const places = await placesOf(made, []);
    await using booted = await machine(made);
    const { guest } = booted;
    await guest.ready();
    const first = await idsOf(guest, SHIFTED);
    await guest.check(MAKE);
    const before = await guest.check(SHOW);
    for (const part of [
      /^f -rwsr-sr-x alice:bob .*set-uid$/m,
      /cap_net_raw=ep/,
      /^user:alice:r--$/m,
      /^default:user:carol:rwx$/m,
      /^----i/m,
    ]) {
      assert.match(before, part);
    }
    assert.match(before, /^d \S+ alice:alice \S+(\/LONG){30}$/m);

    await bootNext(guest, places.tries());
    const second = await idsOf(guest, SHIFTED);
    for (const user of SHIFTED) assert.notEqual(second.get(user), first.get(user), `the images are to give ${user} other ids`);
    assert.equal(await guest.check("id -u dave"), "1502");
    const record = await guest.check(`cat ${IDS_PATH}`);
    const parked = ["user", "group"].map((kind) => new RegExp(`^${kind} (2\\d{9}) carol$`, "m").exec(record)![1]!);
    const inB = parked.reduce((text, id) => text.replaceAll(id, "carol"), await guest.check(SHOW));
    assert.deepEqual(lines(inB), lines(before));
    assert.equal(
      await guest.check("find /usr/local /var/lib/test /home \\( -user dave -o -user uuidd \\) -not -path '/home/dave*'"),
      "",
    );
    assert.match(
      await guest.check("dmesg"),
      /petrify: owners of persistent files, step 2 of 2: \d+ files seen, [1-9]\d* changed/,
    );
    assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");

    await guest.reboot(); // slot a again, as after an update that failed
    assert.deepEqual(await idsOf(guest, SHIFTED), first);
    assert.deepEqual(lines(await guest.check(SHOW)), lines(before));
    if (!FULL) return;
    await guest.reboot();
    assert.equal((await guest.run("dmesg | grep 'owners of persistent files'")).status, 1, "nothing to do");
    assert.deepEqual(lines(await guest.check(SHOW)), lines(before));
  },
);

/** In an order that does not depend on anybody's name. */
const lines = (text: string): string[] => text.split("\n").toSorted();

async function idsOf(guest: Guest, users: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = (await guest.check(`for user in ${users.join(" ")}; do echo $user $(id -u $user):$(id -g $user); done`)).split(
    "\n",
  );
  return new Map(found.map((line) => line.split(" ") as [string, string]));
}

/** Restarts once from slot b. @param tries where the disk has the file of GRUB's counts */
async function bootNext(guest: Guest, tries: number): Promise<void> {
  const text = Buffer.from(encodeTries({ a: 6, b: 6, next: "b" })).toString("base64");
  await guest.check(`echo ${text} | base64 -d | dd of=/dev/vda bs=512 seek=${tries / 512} oflag=direct conv=notrunc status=none`);
  await guest.reboot();
  assert.match(await guest.check("cat /run/petrify/boot.json"), /"slot":"b"/);
}
