/** A machine that gets its config from a volume, as a cloud gives it one: with what is done at each boot, and what is done once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { AgentStatus } from "../../src/agent/status.ts";
import { makeConfigVolume } from "../../src/build/config-volume.ts";
import { MiB } from "../../src/core/units.ts";
import type { Tools } from "../../src/host/tools.ts";
import { sha256Of } from "../support/oci.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL } from "./harness/choice.ts";
import { configOf } from "./harness/config.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { blankDisk } from "./harness/installer.ts";
import { machine } from "./harness/machine.ts";

const LIMIT_MS = 240_000;
/** Of a busy machine, with all stages before the agent. */
const BOOT_MS = 900_000;
const ADDRESS = "10.0.2.77";
/** Beside the volume: one that gets a table, one that gets partitions, one that somebody needs. */
const [ONCE, GROWN, TAKEN] = [2, 3, 4].map((number) => `/dev/disk/by-id/virtio-petrify${number}`);
const FETCHED = "from the web\n";
const COMMANDS = "echo $PETRIFY_STAGE $PETRIFY_STEP >>/run/order";

/** @param url of the machine that tests */
const documentOf = (url: string): string => `#cloud-config
hostname: node-9
users:
  - name: ada
    groups: [staff]
    shell: /bin/sh
    ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5WJGv7hkNQWmnX0kYkPGLKPgkgq9M8B6lXb7k6m0cB ada]
write_files:
  - { path: /etc/app/x.conf, owner: "ada:ada", permissions: "0640", content: "of the volume\\n" }
  - { path: /run/app.conf, content: "each boot\\n" }
  - { path: /etc/app/late.conf, defer: true, content: "late\\n" }
  - { path: /etc/app/fetched.conf, source: { uri: "${url}" } }
units:
  - name: app.service
    enable: true
    content: |
      [Service]
      Type=oneshot
      RemainAfterExit=yes
      ExecStart=/bin/sh -c 'id -un ada; cat /proc/sys/kernel/hostname'
      [Install]
      WantedBy=multi-user.target
  - name: later.service
    content: |
      [Service]
      Type=oneshot
      RemainAfterExit=yes
      ExecStart=/usr/bin/true
network:
  version: 2
  ethernets:
    lan: { match: { name: "e*" }, addresses: [${ADDRESS}/24], routes: [{ to: default, via: 10.0.2.2 }] }
bootcmd: ["echo $PETRIFY_STAGE >>/var/lib/test/boots"]
runcmd: ["echo ran >>/var/lib/test/runs", [touch, /run/ran]]
disk_setup:
  ${ONCE}: { layout: [25, 75] }
  ${TAKEN}: { layout: true }
fs_setup:
  - { device: ${ONCE}, partition: 1, filesystem: ext4, label: data }
  - { device: ${ONCE}, partition: 2, filesystem: vfat, label: FAT }
mounts:
  - [LABEL=data, /srv/data]
stages:
  boot:
    - { name: last, after: [{ name: first }], commands: ["${COMMANDS}"] }
    - { name: first, commands: ["${COMMANDS}"] }
    - { name: fails, on_error: continue, commands: ["exit 7", "${COMMANDS}"] }
    - { name: not here, if: test -e /nowhere, commands: ["${COMMANDS}"] }
    - name: all of it
      users: { eve: { groups: [staff] } }
      ensure_entities: [{ entity: "kind: group\\ngroup_name: shared\\ngid: 4711\\nusers: eve\\n" }]
      directories: [{ path: /etc/app/inner, permissions: "0750", owner_string: "eve:shared" }]
      files: [{ path: /etc/app/inner/y.conf, content: "of a step\\n", owner_string: "eve:shared" }]
      environment: { GREETING: hello }
      environment_file: /etc/app/environment
      sysctl: { kernel.panic_on_warn: 0, vm.swappiness: 11 }
      modules: [dummy]
      systemctl: { start: [later.service] }
    - name: partitions
      layout:
        device: { path: ${GROWN} }
        add_partitions: [{ fsLabel: grown, size: 24 }, { fsLabel: REST, pLabel: the rest, filesystem: vfat }]
    - name: taken
      on_error: continue
      layout: { device: { path: ${TAKEN} }, add_partitions: [{ fsLabel: never }] }
  network:
    - name: fetched
      downloads: [{ path: /etc/app/again, url: "${url}", sha256: ${sha256Of(FETCHED).slice("sha256:".length)} }]
  reconcile:
    - { name: fails too, commands: ["false"] }
    - { name: after it, commands: ["touch /run/never"] }
`;
const KEPT = ["hostname", "users", "network"];

test(
  "a volume of a cloud makes a machine with users, a static address, files, services and disks; three reboots change nothing; what cuts it off is given back; a section that goes takes all of its own along",
  { skip: FULL ? false : "only in full runs" },
  async (t) => {
    const made = await fixture({ packages: ["openssh-server", "fdisk", "dosfstools"] });
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-nocloud-"));
    await using server = createServer((_request, response) => void response.end(FETCHED)).listen(0, "127.0.0.1");
    await once(server, "listening");
    // A guest finds this machine's loopback there.
    const url = `http://10.0.2.2:${(server.address() as AddressInfo).port}/x`;
    const whole = documentOf(url);
    const at = (name: string): string => join(folder.path, name);
    const volume = { path: at("cidata"), userData: new TextEncoder().encode(whole), instance: "i-9", work: folder.path };
    await makeConfigVolume(made.host.tools, volume);
    const blank = [await blankDisk(at("once"), 64 * MiB), await blankDisk(at("grown"), 64 * MiB)] as const;
    const taken = await takenDisk(made.host.tools, folder.path);
    await using booted = await machine(made, {
      online: true,
      beside: [{ path: volume.path }, ...[...blank, taken].map((path) => ({ path, readOnly: false }))],
    });
    const { guest } = booted;

    await guest.ready(BOOT_MS); // its config is compiled meanwhile
    await isThere(guest, 1);
    assert.match(await guest.check("petrify status"), /boot: fails failed: command 1 of 2 exited with status 7/);
    const disks = await disksOf(guest);
    assert.equal(disks.taken, sha256Of(await readFile(taken)).slice("sha256:".length), "a disk that somebody needs is as it was");
    for (const boot of [2, 3, 4]) {
      await guest.reboot(BOOT_MS);
      await isThere(guest, boot);
      assert.deepEqual(await disksOf(guest), disks, `boot ${boot}`);
    }
    const again = await configOf(guest, "apply");
    assert.deepEqual([again.changed, again.generation, again.plan], [false, 1, { changes: [], actions: [], reboot: [] }]);
    assert.deepEqual((await configOf<{ generations: readonly unknown[] }>(guest, "history")).generations.length, 1);

    await guest.run("systemctl start petrify-stage@reconcile.service", LIMIT_MS);
    const { drift, stages } = await statusOf(guest);
    assert.deepEqual(drift?.found, []);
    assert.deepEqual(
      stages?.find(({ run }) => run === "reconcile")?.stages.flatMap(({ steps }) => steps.map(({ name, is }) => `${name} ${is}`)),
      ["fails too failed", "after it skipped"],
    );

    const { hostname, port } = new URL(url);
    const isReached = `timeout 10 bash -c '</dev/tcp/${hostname}/${port}'`;
    const uptime = async (): Promise<number> => Number((await guest.check("cat /proc/uptime")).split(" ")[0]);
    await guest.check(isReached);
    const asked = await uptime();
    const tried = await configOf(
      guest,
      "apply --mode try -",
      whole.replace(`${ADDRESS}/24`, "192.0.2.7/24").replace(/, routes: .*}\]/, ""),
    );
    // What comes from the web cannot be had meanwhile.
    assert.deepEqual([tried.changed, tried.problems.filter((one) => !one.includes("/etc/app/fetched.conf"))], [true, []]);
    assert.notEqual((await guest.run(isReached)).status, 0, "it is cut off");
    const cut = await uptime();
    const { status, output } = await guest.run(
      `until grep -q ${ADDRESS} /proc/net/fib_trie && ${isReached}; do sleep 0.5; done`,
      LIMIT_MS,
    );
    assert.equal(status, 0, output);
    const away = (await uptime()) - cut;
    t.diagnostic(`cut off within ${(cut - asked).toFixed(0)} s, back ${away.toFixed(0)} s later`);
    // A busy machine takes as long for the way back as for the way there.
    assert.ok(away < Math.max(120, 60 + 2 * (cut - asked)), `it is back after ${away} s; it was cut off within ${cut - asked} s`);

    const less = await configOf(guest, "apply -", sections(whole, KEPT));
    assert.deepEqual([less.changed, less.problems], [true, []]);
    for (const gone of [
      "mountpoint -q /srv/data",
      "systemctl is-active app.service",
      "test -e /etc/app/x.conf",
      "test -e /etc/app/late.conf",
      "test -e /etc/app/fetched.conf",
      "test -e /run/app.conf",
    ])
      assert.notEqual((await guest.run(gone)).status, 0, gone);
    assert.equal(await guest.check("ls /run/petrify | grep ^stage-"), "stage-reconcile", "what is left looks for drift");
    assert.equal(await guest.check("id -un ada; cat /proc/sys/kernel/hostname"), "ada\nnode-9");
    await guest.check(isReached);
  },
);

/** All of the document, the same at each boot but for what is done once. */
async function isThere(guest: Guest, boot: number): Promise<void> {
  const what = `boot ${boot}`;
  await guest.run("systemctl is-system-running --wait", LIMIT_MS);
  const hasEnded = ({ stages = [] }: AgentStatus): boolean =>
    stages.some(({ run, ended }) => run === "network" && ended === true);
  const { config, health, machine: own, stages = [] } = await statusOf(guest, hasEnded, LIMIT_MS);
  const { output: log } = await guest.run("journalctl -b -o cat -t petrify-config -t petrify-stage");
  assert.deepEqual([config, own.hostname], [{ generation: 1, trial: false, notes: [] }, "node-9"], `${what}: ${log}`);
  const isOnce = boot === 1 ? "done" : "passed";
  const steps = stages.map(({ run, stages: parts, problems }) => [
    run,
    ...parts.flatMap((part) => part.steps.map(({ name, is }) => `${name} ${is}`)),
    ...problems,
  ]);
  assert.deepEqual(
    steps,
    [
      [
        "fs",
        ...["bootcmd done", `disk_setup ${ONCE} ${isOnce}`, `disk_setup ${TAKEN} ${isOnce}`],
        ...[`fs_setup ${ONCE} 1 ${isOnce}`, `fs_setup ${ONCE} 2 ${isOnce}`, `mounts ${isOnce}`],
        "write_files /run/app.conf done",
      ],
      [
        "boot",
        ...["first done", "last done", "fails failed", "not here passed", "all of it done", "partitions done", "taken failed"],
        "write_files /etc/app/late.conf done",
      ],
      ["network", "fetched done", "write_files /etc/app/fetched.conf done", `runcmd ${isOnce}`],
    ],
    `${what}: ${JSON.stringify(stages, undefined, 1)}\n${log}`,
  );
  assert.equal(await guest.check("systemctl list-units --state=failed --plain --no-legend"), "", what);
  assert.notEqual(health.is, "unhealthy", what);
  assert.equal(await guest.check("cat /run/order"), "boot first\nboot last\nboot fails", what);
  assert.equal(await guest.check("wc -l </var/lib/test/boots; wc -l </var/lib/test/runs"), `${boot}\n1`, what);
  assert.equal((await guest.run("test -e /run/ran")).status === 0, boot === 1, what);
  assert.equal(
    await guest.check("cat /etc/app/x.conf /run/app.conf /etc/app/late.conf /etc/app/fetched.conf /etc/app/again"),
    "of the volume\neach boot\nlate\nfrom the web\nfrom the web",
    what,
  );
  assert.equal(
    await guest.check("stat --format='%U:%G %a' /etc/app/x.conf /etc/app/inner /etc/app/inner/y.conf"),
    "ada:ada 640\neve:shared 750\neve:shared 644",
    what,
  );
  assert.equal(
    await guest.check(
      "id -nG ada; id -nG eve; cat /etc/app/environment /proc/sys/vm/swappiness; ls /sys/module | grep ^dummy; systemctl is-active app.service later.service",
    ),
    'ada staff\neve staff shared\nGREETING="hello"\n11\ndummy\nactive\nactive',
    what,
  );
  await guest.check(`grep -q ${ADDRESS} /proc/net/fib_trie && ssh-keyscan -q -t ed25519 ${ADDRESS} | grep -q ssh-ed25519`);
  assert.equal(await guest.check("findmnt --noheadings --raw --output FSTYPE,LABEL /srv/data"), "ext4 data", what);
  await guest.check(boot === 1 ? "echo mine >/srv/data/mine" : "grep -q mine /srv/data/mine");
}

/** What lies on the disks beside: tables and file systems by their ids. */
async function disksOf(guest: Guest): Promise<{ readonly made: string; readonly taken: string }> {
  const columns = "TYPE,FSTYPE,LABEL,SIZE,PTUUID,PARTUUID,UUID";
  const made = await guest.check(`udevadm settle; lsblk --noheadings --raw --output ${columns} ${ONCE} ${GROWN}`);
  assert.deepEqual(
    [...made.matchAll(/^part (\S+ \S+) /gm)].map(([, what]) => what),
    ["ext4 data", "vfat FAT", "ext4 grown", "vfat REST"],
  );
  return { made, taken: (await guest.check(`sha256sum <${TAKEN}`)).split(" ")[0]! };
}

/** The document with some of its sections only. */
const sections = (text: string, kept: readonly string[]): string =>
  text
    .split(/^(?=[a-z_]+:)/m)
    .filter((part) => part.startsWith("#") || kept.some((name) => part.startsWith(`${name}:`)))
    .join("");

/** A file system over all of a disk. */
async function takenDisk(tools: Tools, folder: string): Promise<string> {
  const path = await blankDisk(join(folder, "taken"), 16 * MiB);
  await tools.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "taken", path], { binds: [{ source: folder, writable: true }] });
  return path;
}
