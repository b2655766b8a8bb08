import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { AgentStatus } from "../../src/agent/status.ts";
import { initSystem } from "../../src/host/init-detect.ts";
import type { InitSystem } from "../../src/host/init-system.ts";
import { GiB, MiB } from "../../src/core/units.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import { statusOf } from "./harness/agent.ts";
import { configOf } from "./harness/config.ts";
import { damage } from "./harness/damage.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { blankDisk } from "./harness/installer.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";
import { owner } from "./harness/owned.ts";
import { EPHEMERAL, PERSISTENT, REFUSED } from "./harness/promises.ts";
import { placesOf } from "./harness/places.ts";

/** util-linux-extra: has the program that Debian's udev sets the clock with; fdisk: what sets up a disk; tcpdump: for captures of packets. */
const withOpenrc = async () =>
  await fixture({ init: "openrc", packages: ["openssh-server", "util-linux-extra", "fdisk", "tcpdump"] });
/** A machine that does other things beside takes its time. */
const LIMIT_MS = 240_000;
/** Reading a whole slot on a busy machine. */
const VERIFIED_MS = 600_000;
/** What OpenRC, sysvinit and its scripts say when something goes wrong; lines of the kernel are left out. */
const FAILURES = /^(?!\[ *\d).*(ERROR|WARNING|failed|cannot|No such file|non existent|not found|\[ !! \]).*$/gm;

/** The disk beside the machine's own. */
const SECOND = "/dev/disk/by-id/virtio-petrify1";
const LESS = "#cloud-config\nhostname: openrc-5\n";
const SAYS = "echo $PETRIFY_STAGE $PETRIFY_STEP >>/run/order";
const CONFIG = `${LESS}
users:
  - name: ada
    shell: /bin/sh
    ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5WJGv7hkNQWmnX0kYkPGLKPgkgq9M8B6lXb7k6m0cB ada]
write_files:
  - { path: /etc/app/x.conf, owner: "ada:ada", permissions: "0640", content: "of the config\\n" }
units:
  - name: app
    enable: true
    content: |
      #!/sbin/openrc-run
      start() {
        cat /proc/sys/kernel/hostname /etc/app/x.conf >/run/app
        id -un ada >>/run/app
      }
bootcmd: ["echo boot >>/var/lib/test/boots"]
runcmd: ["echo ran >>/var/lib/test/runs"]
disk_setup: { ${SECOND}: { layout: true } }
fs_setup: [{ device: ${SECOND}, partition: 1, filesystem: ext4, label: data }]
mounts: [[LABEL=data, /srv/data]]
stages:
  boot:
    - { name: first, commands: ["${SAYS}"] }
    - { name: fails, on_error: continue, commands: ["false"] }
  network:
    - { name: last, commands: ["${SAYS}"] }
`;

suite("OpenRC", { concurrency: 2 }, () => {
  test("boots without a failure, refuses every write to the image, and keeps after a reboot what it should", async () => {
    const made = await withOpenrc();
    const places = await placesOf(made, []);
    const { start, size: small } = places.partition("persistent");
    const tries = { offset: places.tries(), data: encodeTries({ a: 2, b: 6 }) };
    await using booted = await machine(made, { disk: { patches: [tries], size: start + small + 1 * GiB } });
    const { guest, vm } = booted;
    await guest.ready();
    const init = await started(guest);
    // Four tries that are gone are four boots that nobody saw: the slot has them back once it is verified.
    const isRestored = ({ health, slots }: AgentStatus): boolean => health.is === "healthy" && slots.a.tries === 6;
    const { degraded, alarms, failedBoots } = await statusOf(guest, isRestored, VERIFIED_MS);
    assert.deepEqual([degraded, alarms], [[], []]);
    assert.deepEqual(await init.failed(), []);
    assert.deepEqual(await init.unit("ssh.service"), { active: true, state: "started" });
    assert.deepEqual(await init.booted(), { done: true, waitingFor: "" });
    for (const [what, script] of REFUSED) assert.notEqual((await guest.run(script)).status, 0, `${what} is refused`);
    assert.equal(await guest.check("cat /proc/sys/kernel/panic_on_oops /proc/sys/kernel/panic"), "1\n5");
    assert.ok(Number(await guest.check("df --output=size --block-size=1M /usr/local | tail -n 1")) * MiB > small, "is grown");
    for (const folder of [...PERSISTENT, ...EPHEMERAL]) await guest.check(`echo kept >${folder}/mark`);
    const machineId = await guest.check("cat /etc/machine-id");
    assert.match(machineId, /^[0-9a-f]{32}$/);
    const key = await servedKey(guest);
    const future = 1_925_000_000;
    // The hardware's clock stays in the present, as one without a battery would.
    await guest.check(`mount --bind /usr/bin/true /usr/sbin/hwclock && date --set=@${future}`);
    await guest.reboot();

    await started(guest);
    const second = await statusOf(guest);
    assert.deepEqual([second.health.is, second.alarms], ["healthy", []]);
    // Tries that are gone without a boot that the agent knows of count as failed boots: there is no further one.
    assert.equal(second.failedBoots.length, failedBoots.length, "the stop was in good order");
    for (const folder of PERSISTENT) assert.equal(await guest.check(`cat ${folder}/mark`), "kept", folder);
    for (const folder of EPHEMERAL) assert.notEqual((await guest.run(`test -e ${folder}/mark`)).status, 0, folder);
    assert.equal(await guest.check("cat /etc/machine-id"), machineId);
    assert.equal(await servedKey(guest), key);
    assert.ok(Number(await guest.check("date +%s")) >= future, "the clock is not before the last stored time");
    assert.equal(vm.consoleText().match(/COS_PERSISTENT: clean/g)?.length, 2, "data was unmounted before the restart");
    const told = vm.consoleText().match(FAILURES) ?? [];
    assert.deepEqual(
      told.filter((line) => !line.includes("it ended before its agent had started")), // the four, whose tries were taken
      [],
    );

    assert.equal(await guest.check("cat /sys/class/watchdog/watchdog0/state"), "active");
    // A descriptor of the agent's that is closed meanwhile makes `ls` fail, after it has listed the others.
    assert.match((await guest.run(`ls -l /proc/${second.agent.pid}/fd`)).output, /\/dev\/watchdog$/m);
    await assert.rejects(guest.run("poweroff; sleep infinity"), /the VM ended \(guest-shutdown\)/);
  });

  test(
    "makes its machine config at the first boot and has it at the next; what a newer one does not mention is gone",
    { skip: inTurn(3) },
    async () => {
      const made = await withOpenrc();
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-openrc-"));
      const second = await blankDisk(join(folder.path, "disk"), 64 * MiB);
      await using booted = await machine(made, {
        disk: { patches: await onOem(made, "machine.yaml", CONFIG) },
        beside: [{ path: second, readOnly: false }],
      });
      const { guest } = booted;
      await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
      await isConfigured(guest, 1);
      await guest.reboot(LIMIT_MS * 2);
      await isConfigured(guest, 2);
      assert.equal((await configOf(guest, "apply")).changed, false, "what lies on the partition is that, too");

      const other = await configOf(guest, "apply -", `${LESS}sysctl: { vm.swappiness: 12 }\nmodules: [dummy]\n`);
      assert.deepEqual([other.changed, other.problems], [true, []]);
      assert.equal(await guest.check("cat /proc/sys/vm/swappiness; ls -d /sys/module/dummy"), "12\n/sys/module/dummy");
      for (const gone of [
        "id ada",
        "test -e /etc/app",
        "test -e /etc/init.d/app",
        "rc-service app status",
        "mountpoint -q /srv/data",
      ])
        assert.notEqual((await guest.run(gone)).status, 0, gone);
      assert.equal(await guest.check("cat /proc/sys/kernel/hostname"), "openrc-5");
    },
  );

  test(
    "is called over the network once it has an authority, also after a restart; what answers is nobody in particular",
    { skip: inTurn(2) },
    async () => {
      const made = await withOpenrc();
      await using jo = await owner();
      await using booted = await machine(made, { forwards: [jo.forward] });
      const { guest } = booted;
      await guest.ready(LIMIT_MS * 3);
      await started(guest);
      const link = await guest.check("basename $(ls -d /sys/class/net/e*)");
      const up = `ip link set ${link} up && ip address add 10.0.2.15/24 dev ${link}`;
      await guest.check(up);
      assert.notEqual((await guest.run("grep -q :C350 /proc/net/tcp6 /proc/net/tcp")).status, 0, "nobody listens");
      await jo.own(guest);

      const { running } = await jo.told<{ running: string }>("status");
      assert.equal(running, "BOOT_TARGET_A");
      // What looks takes longer to start than a caller waits, where the machine is busy.
      await jo.answers("memory");
      const { services } = await jo.told<{ services: readonly { name: string; active: string }[] }>("services");
      assert.equal(services.find(({ name }) => name === "petrifyd")?.active, "active");
      assert.equal(services.find(({ name }) => name === "petrify-api")?.active, "active");
      assert.deepEqual(await jo.told("service", "restart", "ssh"), {
        ...{ name: "ssh.service", active: true, state: "started", changed: true },
      });
      assert.ok((await jo.told<{ devices: readonly { type: string }[] }>("disks")).devices.some(({ type }) => type === "disk"));
      const { events } = await jo.call(["logs"]);
      assert.equal(events.at(-1)!["code"], "LOGS_UNAVAILABLE");
      const { code, hint } = (await jo.call(["debug", "http://10.0.2.2:9/tools:1"])).events.at(-1)!;
      assert.deepEqual([code, hint], ["DEBUG_UNSUPPORTED", "An image with systemd has them."]);
      const { stdout } = await jo.call(["dmesg"]);
      assert.match(stdout, /petrify/);

      await guest.check("(while :; do bash -c 'echo x >/dev/udp/10.0.2.2/9'; sleep 0.5; done) >/dev/null 2>&1 &");
      const captured = jo.call(["pcap", "-i", link, "--filter", "udp port 9", "--count", "20", "-o", "x.pcap"]);
      await guest.run("until pidof tcpdump; do sleep 0.2; done", LIMIT_MS);
      const bounds = async (program: string): Promise<string> => await guest.check(`cat /proc/$(pgrep -f ${program})/status`);
      const [api, look, tcpdump] = [
        await bounds("petrify/petrify-[a]pi"),
        await bounds("petrify/petrify-[l]ook"),
        await bounds("[t]cpdump"),
      ];
      for (const status of [api, look, tcpdump]) {
        assert.match(status, /^Uid:\t6118[45]\t/m);
        assert.match(status, /^Groups:\t *$/m);
        assert.match(status, /^NoNewPrivs:\t1$/m);
      }
      assert.match(api, /^CapBnd:\t0+$/m);
      // To read files, other processes, the kernel's log, packets.
      for (const status of [look, tcpdump])
        for (const set of ["CapEff", "CapBnd"]) assert.match(status, new RegExp(`^${set}:\t0000000400082004$`, "m"));
      const own = await guest.check("readlink /proc/self/ns/net /proc/$(pgrep -f 'petrify/petrify-[a]pi')/ns/net");
      assert.equal(new Set(own.split("\n")).size, 2, "the API has no network but the connections that it is handed");
      // The devices that are left open, by their numbers; opened as root, in the program's view.
      const inView = (path: string) => `head -c 1 /proc/$(pgrep -f 'petrify/petrify-[l]ook')/root${path} | wc -c`;
      assert.equal(await guest.check(inView("/dev/zero")), "1");
      for (const closed of ["/dev/vda", "/oem/identity/node-key.pem", "/oem/petrify/api/ca.pem"])
        assert.match(await guest.check(`${inView(closed)} 2>&1`), /0$/, closed);
      assert.notEqual(
        (await guest.run("touch /proc/$(pgrep -f 'petrify/petrify-[l]ook')/root/run/x")).status,
        0,
        "it can write nothing",
      );
      assert.equal((await captured).exitCode, 0);

      await guest.reboot(LIMIT_MS * 3);
      await guest.check(up);
      await jo.answers("version"); // its programs start with the first call
      assert.equal((await jo.told<{ machine: { id: string } }>("version")).machine.id, (await statusOf(guest)).machine.id);
      const isGone =
        "pkill -f '[p]etrify-early sockets'; for n in 1 2 3 4 5 6 7 8 9 10; do pgrep -f 'petrify/petrify-[a]pi' || exit 0; sleep 0.5; done; exit 1";
      assert.equal((await guest.run(isGone)).status, 0, "they end with what has started them");
    },
  );

  // The other partition than in degraded.test.ts.
  for (const { partition, folder, failed } of oneOf([
    { partition: "oem", folder: "/oem", failed: ["petrify-mount.oem"] },
    { partition: "persistent", folder: "/usr/local", failed: ["petrify-mount.persistent", "petrify-overlays"] },
  ])) {
    test(
      `${partition} damaged: the machine is up, says so, costs no try, and stays the same machine`,
      { skip: inTurn(3) },
      async () => {
        const made = await withOpenrc();
        await using booted = await machine(made, { disk: { patches: damage(made.disk, partition) } });
        const { guest } = booted;
        await guest.ready();
        const init = await started(guest);
        assert.deepEqual(await init.failed(), failed);
        assert.match(await guest.check("dmesg"), new RegExp(`petrify: the ${partition} partition cannot be mounted`));
        assert.notEqual((await guest.run(`mountpoint -q ${folder}`)).status, 0);
        const status = await statusOf(guest);
        assert.deepEqual([status.health.is, status.slots.a.tries], ["healthy", 6]);
        assert.deepEqual(
          status.degraded.map(({ partition: name, is }) => `${name} ${is}`),
          [`${partition} not mounted`],
        );
        assert.match(await servedKey(guest), /^ssh-ed25519 /);
        const machineId = await guest.check("cat /etc/machine-id");
        await guest.reboot();
        assert.equal(await guest.check("cat /etc/machine-id"), machineId);
        assert.match(await guest.check("cat /run/petrify/boot.json"), /"slot":"a"/);
      },
    );
  }
});

/** All of {@link CONFIG}, the same at each boot but for what is done once. */
async function isConfigured(guest: Guest, boot: number): Promise<void> {
  const what = `boot ${boot}`;
  const init = await started(guest);
  const hasEnded = ({ stages = [] }: AgentStatus): boolean =>
    stages.some(({ run, ended }) => run === "network" && ended === true);
  const { config, health, machine: own, stages = [] } = await statusOf(guest, hasEnded, LIMIT_MS);
  assert.deepEqual([config, own.hostname], [{ generation: 1, trial: false, notes: [] }, "openrc-5"], what);
  const isOnce = boot === 1 ? "done" : "passed";
  assert.deepEqual(
    stages.map(({ run, stages: parts }) => [run, ...parts.flatMap(({ steps }) => steps.map(({ name, is }) => `${name} ${is}`))]),
    [
      ["fs", "bootcmd done", `disk_setup ${SECOND} ${isOnce}`, `fs_setup ${SECOND} 1 ${isOnce}`],
      ["boot", "first done", "fails failed"],
      ["network", "last done", `runcmd ${isOnce}`],
    ],
    `${what}: ${JSON.stringify(stages, undefined, 1)}`,
  );
  assert.notEqual(health.is, "unhealthy", what);
  assert.deepEqual(await init.failed(), [], what);
  assert.deepEqual(await init.unit("app.service"), { active: true, state: "started" }, what);
  assert.equal(await guest.check("cat /run/app"), "openrc-5\nof the config\nada", what);
  assert.equal(await guest.check("stat --format='%U:%G %a' /etc/app/x.conf /home/ada"), "ada:ada 640\nada:ada 700", what);
  assert.equal(await guest.check("wc -l </var/lib/test/boots; wc -l </var/lib/test/runs"), `${boot}\n1`, what);
  assert.equal(await guest.check("cat /run/order"), "boot first\nnetwork last", what);
  assert.equal(await guest.check("findmnt --noheadings --raw --output FSTYPE,LABEL /srv/data"), "ext4 data", what);
}

/** As the agent asks for it. */
async function initOf(guest: Guest): Promise<InitSystem> {
  return await initSystem(
    async ([...words], { okExit = [0] } = {}) => {
      const { status, output } = await guest.run(words.join(" "), LIMIT_MS);
      assert.ok(okExit.includes(status), `${words.join(" ")}: ${output}`);
      return { exitCode: status, stdout: output, stderr: "" };
    },
    async (path) => (await guest.run(`test -e ${path}`)).status === 0,
  );
}

/** Waits until every service of the boot has been started, or has failed to. */
async function started(guest: Guest): Promise<InitSystem> {
  const { status } = await guest.run("while test -e /run/openrc/rc.starting; do sleep 0.2; done", LIMIT_MS);
  assert.equal(status, 0);
  return await initOf(guest);
}

/** What the server shows to a client. */
const servedKey = async (guest: Guest): Promise<string> =>
  (await guest.check("ssh-keyscan -q -t ed25519 127.0.0.1")).replace(/^127\.0\.0\.1 /, "");
