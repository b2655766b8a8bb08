/** A sealed machine from its install medium to its reset: there is no shell on it, and nobody does anything but by the API. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mediumOfImage } from "../../src/build/medium.ts";
import { MiB } from "../../src/core/units.ts";
import { API_PORT } from "../../src/layout/api-places.ts";
import type { AuditEntry } from "../../src/layout/audit-log.ts";
import type { MediumDescription } from "../../src/layout/medium.ts";
import { workspace } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { FULL } from "./harness/choice.ts";
import { fixture, SEALED, type Fixture } from "./harness/fixture.ts";
import { blankDisk } from "./harness/installer.ts";
import { machine } from "./harness/machine.ts";
import { ENDPOINT } from "./harness/trial.ts";
import { strangerAsks, workstation } from "./harness/workstation.ts";

const CONFIG = (hostname: string): string => `#cloud-config
hostname: ${hostname}
write_files: [{ path: /etc/greeting, content: "of ${hostname}" }]
sysctl: { net.ipv4.ip_forward: "1" }
install: { device: /dev/disk/by-id/virtio-petrify0 }
`;
const LIMIT_MS = 900_000;
/** Beside its own disk and the medium. */
const [SOUND, BROKEN] = ["/dev/disk/by-id/virtio-petrify2", "/dev/disk/by-id/virtio-petrify3"] as const;

interface Status {
  readonly running: string;
  readonly machine: { readonly hostname: string; readonly fingerprint: string };
  readonly health: { readonly state: string };
}
interface History {
  readonly operations: readonly { readonly kind: string; readonly outcome: string; readonly reason?: string }[];
}

test(
  "a sealed machine is installed from a medium, gets its owner and its config, is upgraded, falls back from a release that is not healthy, is restarted into recovery and back, and reset, over the API alone",
  { skip: FULL ? false : "only in full runs" },
  async (t) => {
    await using station = await workstation();
    const { done, told, run } = station;
    const made = await fixture({
      ...SEALED,
      slotB: { ...SEALED, health: `{ deadline: 30s, checks: [{ http: "${ENDPOINT}" }] }` },
    });
    const [iso, disk] = [join(station.folder, "medium.iso"), join(station.folder, "blank.raw")];
    const { smallestDisk, memory } = await medium(made, iso);
    await blankDisk(disk, smallestDisk + 64 * MiB);
    const port = await freePort();
    await using booted = await machine(made, {
      ...{ memory, forwards: [{ host: port, guest: API_PORT }] },
      medium: { path: iso, kind: "cd", disk: { path: disk, format: "raw", writes: "keep" } },
      beside: [{ path: made.image }, { path: made.slotB }],
    });
    const { vm } = booted;
    const shown = await vm.waitForConsole(/waits for its owner at port 50000[^]*?(SHA256:\S{43})/, { timeoutMs: LIMIT_MS });
    const key = shown[1]!;
    const config = async (hostname: string): Promise<void> =>
      await writeFile(join(station.folder, "machine.yaml"), CONFIG(hostname));
    const enrol = async (): Promise<boolean> => {
      await strangerAsks(port, "NodeService/Status"); // starts its program
      const { changed } = await done<{ readonly changed: boolean }>(
        ...["apply-config", "--insecure", "node-7", "--address", `127.0.0.1:${port}`, "--file", "machine.yaml"],
        ...["--fingerprint", key],
      );
      return changed;
    };
    /** Once: it changes the machine. */
    const did = async <Value>(...args: string[]): Promise<Value> =>
      (await done<{ readonly nodes: readonly { readonly value: Value }[] }>("-n", "node-7", ...args)).nodes[0]!.value;
    const is = async (running: string, hostname: string): Promise<void> => {
      const deadline = performance.now() + LIMIT_MS;
      let status: Status;
      do status = await told<Status>("node-7", "status");
      while (status.health.state !== "HEALTH_STATE_HEALTHY" && performance.now() < deadline);
      assert.deepEqual(
        [status.running, status.machine.hostname, status.machine.fingerprint, status.health.state],
        [`BOOT_TARGET_${running}`, hostname, key, "HEALTH_STATE_HEALTHY"],
      );
      const { data } = await told<{ readonly data: string }>("node-7", "read", "/etc/greeting");
      assert.equal(Buffer.from(data, "base64").toString(), `of ${hostname}`);
    };
    const step = (what: string): void => t.diagnostic(`${Math.round(performance.now() / 1000)} s: ${what}`);

    await config("node-7");
    assert.equal(await enrol(), true);
    step("installed");
    await is("A", "node-7");
    const { services } = await told<{ readonly services: readonly { readonly name: string; readonly active: string }[] }>(
      "node-7",
      "services",
    );
    assert.ok(services.some(({ name, active }) => name === "petrify-sealed.service" && active === "active"));
    assert.deepEqual(
      services.filter(({ active }) => active === "failed"),
      [],
    );
    await config("node-8");
    assert.deepEqual(problems(await did("config", "apply", "machine.yaml")), []);
    await is("A", "node-8");
    await writeFile(join(station.folder, "shell.yaml"), `${CONFIG("node-9")}runcmd: ["touch /run/told"]\n`);
    const refused = await run("-n", "node-7", "config", "apply", "shell.yaml");
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stdout, /runcmd\[0\][^]*needs a shell, and the image is sealed/);
    assert.doesNotMatch(vm.consoleText(), / login:/);
    step("has another config");

    const succeeded = { outcome: "succeeded", changed: true };
    const restarted = { outcome: "has restarted", changed: true };
    assert.deepEqual(await did("upgrade", SOUND, "--force"), succeeded);
    await is("B", "node-8");
    step("upgraded");
    const fallen = await run("-n", "node-7", "upgrade", BROKEN);
    assert.notEqual(fallen.exitCode, 0);
    assert.match(fallen.stdout + fallen.stderr, /fell back: [^\n]*refuses connections/);
    await is("B", "node-8");
    const { operations } = await told<History>("node-7", "history");
    assert.deepEqual(
      operations.slice(0, 2).map(({ kind, outcome }) => `${kind} ${outcome}`),
      ["upgrade fell back", "upgrade succeeded"],
    );
    step("fallen back");
    assert.deepEqual(await did("reboot", "--mode", "recovery"), restarted);
    assert.equal((await told<Status>("node-7", "status")).running, "BOOT_TARGET_RECOVERY");
    step("in recovery");
    assert.deepEqual(await did("reboot"), restarted);
    await is("B", "node-8");
    step("back from recovery");

    await did("reset", "--keep", "identity", "--yes");
    await vm.waitForConsole(new RegExp(`waits for its owner at port 50000; its key is ${RegExp.escape(key)}`), {
      timeoutMs: LIMIT_MS,
    });
    await config("node-10");
    assert.equal(await enrol(), true);
    await is("A", "node-10");
    step("reset, and owned again");
    const { entries } = await told<{ readonly entries: readonly AuditEntry[] }>("node-7", "audit", "show");
    const calls = entries.flatMap((entry) => (entry.is === "begin" ? [entry.call] : []));
    assert.ok(calls.includes("POST /reset") && calls.at(-1) === "POST /enrol", calls.join());
  },
);

const problems = (result: { readonly problems?: readonly unknown[] }): readonly unknown[] => result.problems ?? [];

async function medium({ host: { tools }, image }: Fixture, path: string): Promise<MediumDescription> {
  await using _ = await takeCore();
  await using work = await workspace();
  return await mediumOfImage({ tools, media: await testTools("media") }, { image }, path, work.folder);
}
