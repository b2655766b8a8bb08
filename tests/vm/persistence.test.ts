import assert from "node:assert/strict";
import { test } from "node:test";
import { RESET_REQUEST_PATH, SEEN_FILES_PATH } from "../../src/layout/fstab.ts";
import { encodeResetRequest } from "../../src/layout/reset-request.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

/** Of the image: every machine has it, and it is a file that nothing writes to. */
const FILE = "/root/.profile";
const UPPER = "/usr/local/.petrify/overlay/root/upper";

test(
  "petrify diff says what differs from the image; what petrify reset-path was asked for is the image's again after a reboot, once, and everything else stays",
  { skip: inTurn(2) },
  async () => {
    await using booted = await machine(await fixture());
    const { guest } = booted;
    await guest.ready();
    const diff = async (...paths: string[]): Promise<string[]> => {
      const { value } = JSON.parse(await guest.check(`petrify diff --json ${paths.join(" ")}`)) as {
        value: { entries: { verdict: string; path: string; below?: number }[] };
      };
      const said = value.entries.map(
        ({ verdict, path, below }) => `${verdict} ${path}${below === undefined ? "" : ` +${below}`}`,
      );
      return said.toSorted();
    };
    const image = await guest.check(`cat ${FILE}`);
    assert.deepEqual(await diff("/root"), []);
    await guest.check(`
    set -e
    echo mine >>${FILE}
    rm /root/.bashrc
    mkdir -p /root/added/deep && echo mine >/root/added/deep/file
    echo mine >"/root/added/$(printf 'caf\\351')" # not UTF-8: not among those that are counted below
    echo kept >/root/kept
    echo mine >/var/lib/test/file`);
    const changes = ["added /root/added +2", "added /root/kept", `changed ${FILE}`, "removed /root/.bashrc"];
    assert.deepEqual(await diff("/root"), changes);
    assert.deepEqual(await diff("/var/lib/test/file"), ["added /var/lib/test/file"]);
    assert.equal((await guest.run("petrify diff --exit-code /root")).status, 1);
    assert.match((await guest.run("petrify diff /etc/passwd")).output, /\/etc\/passwd is not in a persistent folder/);
    assert.match((await guest.run(`petrify reset-path ${FILE}`)).output, /there is nobody to ask/);

    const wanted = ["/root/.bashrc", FILE, "/root/added", "/var/lib/test"];
    await guest.check(`petrify reset-path --yes /root/kept ${wanted.join(" ")}`);
    await guest.check("petrify reset-path --cancel /root/kept");
    assert.equal(await guest.check(`cat ${RESET_REQUEST_PATH}`), encodeResetRequest(wanted).trim());
    await guest.check(`echo '${encodeResetRequest([...wanted, "/etc/passwd"]).trim()}' >${RESET_REQUEST_PATH}`);
    assert.deepEqual(await diff("/root"), changes, "nothing changes until the next boot");
    await guest.reboot();

    assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
    assert.equal(await guest.check(`cat ${FILE}`), image);
    assert.equal(await guest.check("cat /root/kept; ls -A /var/lib/test; ls -A /root/.bashrc"), "kept\n/root/.bashrc");
    for (const path of ["/root/added", RESET_REQUEST_PATH, `${UPPER}/.profile`, `${UPPER}/../discarded`]) {
      assert.notEqual((await guest.run(`test -e ${path}`)).status, 0, path);
    }
    const log = await guest.check("dmesg --notime | grep '^petrify: '");
    assert.match(log, /^petrify: \/root\/\.profile is the image's own again$/m);
    assert.match(log, /^petrify: \/etc\/passwd is not reset: it is in no persistent folder of this image$/m);
    assert.deepEqual(await diff("/root", "/var/lib/test"), ["added /root/kept"]);
    assert.equal(await guest.check("petrify reset-path --list"), "Nothing waits for the next boot.");

    await guest.check(`echo again >>${FILE}; echo again >/var/lib/test/file`);
    await guest.reboot();
    assert.equal(await guest.check(`tail -n 1 ${FILE}; cat /var/lib/test/file`), "again\nagain", "nothing is reset twice");
    const { status } = await guest.run(`until grep -q '"${FILE}":' ${SEEN_FILES_PATH}; do sleep 0.5; done`, 180_000);
    assert.equal(status, 0, "the agent of a boot that is kept remembers what the copy was made from");
  },
);
