import assert from "node:assert/strict";
import { cp, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { makeConfigVolume } from "../../src/build/config-volume.ts";
import type { RunResult } from "../../src/host/run.ts";
import { ansibleCounts } from "../support/ansible.ts";
import { freePort } from "../support/free-port.ts";
import { testTools } from "../support/tools.ts";
import { FULL } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

const DOCS = resolve(import.meta.dirname, "../../docs/ansible");
const LIMIT_MS = 600_000;
/** Of the machine, which gets an address by DHCP. */
const NETWORK = 'network:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
const OTHER_NETWORK = NETWORK.replace("dhcp4: true", "addresses: [192.0.2.7/24]");

test(
  "the documented Ansible playbook applies a config over SSH, without Python on the machine; one that cuts the machine off is given back",
  {
    skip: FULL ? false : "only in full runs",
  },
  async () => {
    const tools = await testTools("ansible");
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-ansible-"));
    const at = (name: string): string => join(folder.path, name);
    const inside = { binds: [{ source: folder.path, target: "/work", writable: true }], network: true, timeoutMs: LIMIT_MS };
    await cp(DOCS, at("playbook"), { recursive: true });
    await tools.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/work/key"], inside);
    const key = (await readFile(at("key.pub"), "utf8")).trim();
    const configPath = at("playbook/configs/kiosk-7.yaml");
    const documented = (await readFile(configPath, "utf8")).replace(/ssh-ed25519 .*/, key) + NETWORK;
    const onlyUser = documented.replace(/write_files:[^]*(?=network:)/, "");
    const forward = { host: await freePort(), guest: 22 };
    const words = [
      ...["--inventory", "/work/playbook/inventory.yaml", "--private-key", "/work/key"],
      ...["--extra-vars", `ansible_host=127.0.0.1 ansible_port=${forward.host}`],
      ...["--ssh-common-args", "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ServerAliveInterval=5"],
      ...["--timeout", "60"],
    ];
    const play = async (config: string, ...more: string[]): Promise<RunResult> => {
      await writeFile(configPath, config);
      return await tools.run(["ansible-playbook", ...words, ...more, "/work/playbook/apply.yaml"], {
        ...inside,
        okExit: [0, 2, 4],
      });
    };
    const assertEnded = (ran: RunResult, changed: number): void => {
      const counts = ansibleCounts(ran, "kiosk-7");
      assert.deepEqual([counts["changed"], counts["failed"], counts["unreachable"]], [changed, 0, 0], ran.stdout + ran.stderr);
    };

    const made = await fixture({ packages: ["openssh-server", "sudo"] });
    const volume = { path: at("cidata"), userData: new TextEncoder().encode(onlyUser), instance: "kiosk-7", work: folder.path };
    await makeConfigVolume(await testTools(), volume);
    await using booted = await machine(made, { beside: [{ path: volume.path }], forwards: [forward] });
    const { guest } = booted;
    await guest.ready();
    const isReached = async (): Promise<void> => {
      const { status, output } = await guest.run("until grep -q 10.0.2.15 /proc/net/fib_trie; do sleep 0.5; done", LIMIT_MS);
      assert.equal(status, 0, output);
    };
    await isReached();
    await guest.check("systemctl start ssh.service");
    assert.notEqual((await guest.run("command -v python3")).status, 0);

    const check = await play(documented, "--check");
    assertEnded(check, 1);
    assert.match(check.stdout, /\+ path \/etc\/kiosk\.conf/);
    assert.notEqual((await guest.run("test -e /etc/kiosk.conf")).status, 0);
    assertEnded(await play(documented), 1);
    assert.equal(await guest.check("cat /etc/kiosk.conf; stat --format=%a /etc/kiosk.conf"), "url=https://kiosk.example\n640");
    assertEnded(await play(documented), 0);
    assert.equal(await guest.check("ls -A /home/ops/.ansible/tmp"), "", "the config is left nowhere");

    const cut = await play(documented.replace(NETWORK, OTHER_NETWORK));
    const { failed, unreachable } = ansibleCounts(cut, "kiosk-7");
    assert.equal(failed! + unreachable!, 1, cut.stdout);
    await isReached();
    assertEnded(await play(documented), 0);
  },
);
