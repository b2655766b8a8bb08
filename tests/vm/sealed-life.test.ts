/** Sealed machines from their install medium to their reset: there is no shell on them, and nobody does anything but by the API. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
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
import { machine, type Machine } from "./harness/machine.ts";
import { ENDPOINT } from "./harness/trial.ts";
import { strangerAsks, workstation, type Workstation } from "./harness/workstation.ts";

const CONFIG = (hostname: string): string => `#cloud-config
hostname: ${hostname}
write_files: [{ path: /etc/greeting, content: "of ${hostname}" }]
sysctl: { net.ipv4.ip_forward: "1" }
`;
const INSTALL = "install: { device: /dev/disk/by-id/virtio-petrify0 }\n";
const LIMIT_MS = 900_000;
/** Beside its own disk and the medium. */
const [SOUND, BROKEN] = ["/dev/disk/by-id/virtio-petrify2", "/dev/disk/by-id/virtio-petrify3"] as const;
const skip = FULL ? false : "only in full runs";

interface Status {
  readonly running: string;
  readonly machine: { readonly hostname: string; readonly fingerprint: string };
  readonly health: { readonly state: string };
}
interface History {
  readonly operations: readonly { readonly kind: string; readonly outcome: string; readonly reason?: string }[];
}

test(
  "a sealed machine is installed from a medium, gets its owner and its config, is upgraded, and falls back from a release that is not healthy, over the API alone",
  { skip },
  async (t) => {
    await using station = await workstation();
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
    const { config, enrol, did, is, step } = await ownerless(t, station, booted, port);
    const { told, run } = station;

    await config("node-7", INSTALL);
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
    await config("node-9", 'runcmd: ["touch /run/told"]\n');
    const refused = await run("-n", "node-7", "config", "apply", "machine.yaml");
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stdout, /runcmd\[0\][^]*needs a shell, and the image is sealed/);
    assert.doesNotMatch(booted.vm.consoleText(), / login:/);
    step("has another config");

    assert.deepEqual(await did("upgrade", SOUND, "--force"), { outcome: "succeeded", changed: true });
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
  },
);

test(
  "a sealed machine gets its owner, is restarted into recovery and back, is reset, and gets its owner again, over the API alone",
  { skip },
  async (t) => {
    await using station = await workstation();
    const port = await freePort();
    await using booted = await machine(await fixture(SEALED), { forwards: [{ host: port, guest: API_PORT }] });
    const { vm } = booted;
    const { config, enrol, did, is, step, key } = await ownerless(t, station, booted, port);
    const { told } = station;
    await config("node-7");
    assert.equal(await enrol(), true);
    await is("A", "node-7");
    step("owned");

    const restarted = { outcome: "has restarted", changed: true };
    assert.deepEqual(await did("reboot", "--mode", "recovery"), restarted);
    assert.equal((await told<Status>("node-7", "status")).running, "BOOT_TARGET_RECOVERY");
    step("in recovery");
    assert.deepEqual(await did("reboot"), restarted);
    await is("A", "node-7");
    step("back from recovery");

    await did("reset", "--keep", "identity", "--yes");
    step("about to be reset");
    await vm.waitForConsole("petrify: reset: leaving recovery", { timeoutMs: 2 * LIMIT_MS }); // it has said before that it waits for its owner
    await vm.waitForConsole(`waits for its owner at port 50000; its key is ${key}`, { timeoutMs: LIMIT_MS });
    step("reset");
    await config("node-10");
    assert.equal(await enrol(), true);
    await is("A", "node-10");
    step("owned again");
    const { entries } = await told<{ readonly entries: readonly AuditEntry[] }>("node-7", "audit", "show");
    const calls = entries.flatMap((entry) => (entry.is === "begin" ? [entry.call] : []));
    assert.ok(calls.includes("POST /reset") && calls.at(-1) === "POST /enrol", calls.join());
  },
);

const problems = (result: { readonly problems?: readonly unknown[] }): readonly unknown[] => result.problems ?? [];

interface Ownerless {
  /** The fingerprint of its key, as its console shows it. */
  readonly key: string;
  /** Writes the config that is given to it next. */
  readonly config: (hostname: string, more?: string) => Promise<void>;
  /** Makes it the workstation's. @returns whether it was not before */
  readonly enrol: () => Promise<boolean>;
  /** A call that changes the machine, once. */
  readonly did: <Value>(...args: string[]) => Promise<Value>;
  /** Waits until it is healthy, and has to be itself, run that slot and have that config. */
  readonly is: (running: string, hostname: string) => Promise<void>;
  readonly step: (what: string) => void;
}

/** Waits until a machine waits for its owner; it is `node-7` of the workstation from then on. @param port that leads to its API */
async function ownerless(
  t: TestContext,
  { folder, done, told, run }: Workstation,
  { vm }: Machine,
  port: number,
): Promise<Ownerless> {
  t.after(() => {
    if (!t.passed) t.diagnostic(vm.consoleText().slice(-10_000));
  });
  const shown = await vm.waitForConsole(/waits for its owner at port 50000[^]*?(SHA256:\S{43})/, { timeoutMs: LIMIT_MS });
  const key = shown[1]!;
  return {
    key,
    config: async (hostname, more = "") => await writeFile(join(folder, "machine.yaml"), CONFIG(hostname) + more),
    enrol: async () => {
      await strangerAsks(port, "NodeService/Status"); // starts its program
      for (const end = performance.now() + LIMIT_MS; ;) {
        const { exitCode, stdout, stderr, events } = await run(
          ...["apply-config", "--insecure", "node-7", "--address", `127.0.0.1:${port}`, "--file", "machine.yaml"],
          ...["--fingerprint", key],
        );
        if (exitCode === 0)
          return (events.find(({ type }) => type === "result")!["value"] as { readonly changed: boolean }).changed;
        // A machine that is busy may take longer for a handshake than a caller waits: it has not been told anything then.
        assert.ok(stdout.includes("does not answer at port") && performance.now() < end, stdout + stderr);
      }
    },
    did: async <Value>(...args: string[]) =>
      (await done<{ readonly nodes: readonly { readonly value: Value }[] }>("-n", "node-7", ...args)).nodes[0]!.value,
    is: async (running, hostname) => {
      const wanted = [`BOOT_TARGET_${running}`, hostname, key, "HEALTH_STATE_HEALTHY"];
      const looked = async (): Promise<readonly string[]> => {
        const { running: target, machine: itself, health } = await told<Status>("node-7", "status");
        return [target, itself.hostname, itself.fingerprint, health.state];
      };
      let found = await looked();
      // A config that comes with an owner is laid after the answer, since it may change the network.
      for (const end = performance.now() + LIMIT_MS; !isDeepStrictEqual(found, wanted) && performance.now() < end;) {
        await wait(5000);
        found = await looked();
      }
      assert.deepEqual(found, wanted);
      const { data } = await told<{ readonly data: string }>("node-7", "read", "/etc/greeting");
      assert.equal(Buffer.from(data, "base64").toString(), `of ${hostname}`);
    },
    step: (what) => t.diagnostic(`${Math.round(performance.now() / 1000)} s: ${what}`),
  };
}

async function medium({ host: { tools }, image }: Fixture, path: string): Promise<MediumDescription> {
  await using _ = await takeCore();
  await using work = await workspace();
  return await mediumOfImage({ tools, media: await testTools("media") }, { image }, path, work.folder);
}
