import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigResult } from "../../src/agent/config/apply-config.ts";
import type { ConfigAnswers } from "../../src/agent/config/work.ts";
import { statusOf } from "./harness/agent.ts";
import { configOf } from "./harness/config.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const HOSTNAME = "#cloud-config\nhostname: node-7\n";
const WHOLE = `${HOSTNAME}
users:
  - name: ada
    groups: [sudo]
    shell: /bin/sh
    ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5WJGv7hkNQWmnX0kYkPGLKPgkgq9M8B6lXb7k6m0cB ada]
write_files:
  - { path: /etc/app/x.conf, owner: "ada:ada", permissions: "0640", content: "of the config\\n" }
  - { path: /home/ada/note, owner: "ada:ada", content: "hello\\n" }
  - { path: /var/lib/app/seed, content: "seed\\n" }
units:
  - name: app.service
    enable: true
    content: |
      [Service]
      Type=oneshot
      RemainAfterExit=yes
      ExecStart=/bin/sh -c 'cat /proc/sys/kernel/hostname /etc/app/x.conf >/run/app; id -un ada >>/run/app; mountpoint -q /var/lib/app && echo kept >>/run/app'
      [Install]
      WantedBy=multi-user.target
network:
  version: 2
  bridges:
    br7: { addresses: [10.9.8.7/24], dhcp4: false }
persist: [/var/lib/app]
`;
/** What all of it has come to before a service of multi-user.target started. */
const SEEN = "node-7\nof the config\nada\nkept";
const LIMIT_MS = 240_000;

test("a document on the oem partition is in place at the first boot and after the next, a version without its parts takes them away, and a trial that nobody confirms is given back", async () => {
  const made = await fixture();
  await using booted = await machine(made, { disk: { patches: await onOem(made, "machine.yaml", WHOLE) } });
  const { guest } = booted;
  const isThere = async (what: string): Promise<void> => {
    await guest.run("systemctl is-system-running --wait", LIMIT_MS);
    assert.equal(await guest.check("systemctl list-units --state=failed --plain --no-legend"), "", what);
    const { output: log } = await guest.run("journalctl -b -o cat -t petrify-config; cat /run/petrify/config.json");
    assert.equal((await guest.run("cat /run/app")).output.trim(), SEEN, `${what}: ${log}`);
    assert.equal(await guest.check("stat --format='%U:%G %a' /etc/app/x.conf /home/ada"), "ada:ada 640\nada:ada 700", what);
    assert.equal(await guest.check("cat /home/ada/note /var/lib/app/seed; id -nG ada"), "hello\nseed\nada sudo", what);
    assert.match(
      await guest.check("cat /etc/ssh/petrify/authorized_keys/ada || cat /home/ada/.ssh/authorized_keys"),
      / ada$/,
      what,
    );
    await guest.check("until test -e /sys/class/net/br7 && grep -q 10.9.8.7 /proc/net/fib_trie; do sleep 0.5; done");
    const {
      config,
      machine: { hostname },
    } = await statusOf(guest);
    assert.deepEqual([config, hostname], [{ generation: 1, trial: false, notes: [] }, "node-7"], what);
  };
  const config = async <Value = ConfigResult>(words: string, text?: string): Promise<Value> =>
    await configOf<Value>(guest, words, text);

  await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
  await isThere("at the first boot");
  assert.equal(await guest.check("systemctl show --value --property=ActiveState petrify-config.service"), "active");
  await guest.check("echo mine >/var/lib/app/mine");
  const again = await config("apply -", WHOLE);
  assert.deepEqual([again.changed, again.generation], [false, 1], JSON.stringify(again));
  assert.equal((await config("apply")).changed, false, "what lies on the partition is that, too");
  await guest.reboot();

  await isThere("at the second boot");
  assert.equal(await guest.check("cat /var/lib/app/mine"), "mine");
  assert.equal(
    await guest.check("systemctl show --value --property=Result petrify-config.service"),
    "exec-condition",
    "nothing is made a second time",
  );
  const tried = await config("apply --mode try -", HOSTNAME.replace("node-7", "node-8"));
  assert.deepEqual([tried.changed, tried.generation, tried.problems], [true, 2, []]);
  assert.equal(
    await guest.check("cat /proc/sys/kernel/hostname; ls /etc/app 2>&1 || true"),
    "node-8\nls: cannot access '/etc/app': No such file or directory",
  );
  await guest.check("systemctl kill --signal=KILL petrifyd.service");
  const back = await guest.run(
    "until test $(cat /proc/sys/kernel/hostname) = node-7 && systemctl is-active app.service; do sleep 1; done",
    LIMIT_MS,
  );
  assert.equal(back.status, 0, "given back by another agent");
  assert.equal(await guest.check("cat /etc/app/x.conf; id -u ada"), "of the config\n1000");

  const plan = await config("plan -", HOSTNAME);
  const less = await config("apply -", HOSTNAME);
  assert.deepEqual([less.changed, less.problems, less.plan], [true, [], plan.plan]);
  for (const gone of ["test -e /etc/app", "id ada", "systemctl is-active app.service", "test -e /home/ada/note"])
    assert.notEqual((await guest.run(gone)).status, 0, gone);
  assert.equal(await guest.check("cat /proc/sys/kernel/hostname /etc/hostname"), "node-7\nnode-7");
  const { generations } = await config<ConfigAnswers["history"]>("history");
  assert.deepEqual(
    generations.map(({ running, slots, documents }) => [running, slots, documents]),
    [
      [true, ["a"], ["stdin"]],
      [false, [], ["stdin"]],
      [false, [], ["/oem/machine.yaml"]],
    ],
  );
  const returned = await config("rollback");
  assert.deepEqual([returned.changed, returned.generation], [true, 1]);
  assert.equal(
    await guest.check("cat /etc/app/x.conf; id -un ada; systemctl is-active app.service"),
    "of the config\nada\nactive",
  );
});
