import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { API_PORT } from "../../src/layout/api-places.ts";
import type { AuditEntry } from "../../src/layout/audit-log.ts";
import { petrify, workspace } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const NETWORK =
  '#cloud-config\nhostname: node-7\nnetwork:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
/** Beside its own disk. */
const IMAGE = "/dev/disk/by-id/virtio-petrify1";
const LIMIT_MS = 600_000;
/** Of events that a machine has told by then. */
const KINDS = "BOOT_STARTED SLOT_PROVEN HEALTH_CHANGED OPERATION_BEGAN OPERATION_STEP OPERATION_ENDED CONFIG_APPLIED".split(" ");

test(
  `a machine that is given an authority while it runs is looked at and upgraded over the network alone${FULL ? ", rolled back, restarted and reset" : ""}; its audit log has who it was`,
  { skip: inTurn(1) },
  async () => {
    await using desk = await workspace();
    const forward = { host: await freePort(), guest: API_PORT };
    const env = { XDG_CONFIG_HOME: join(desk.folder, "config"), USER: "jo" };
    /** Has to succeed. @returns its result */
    const done = async <Value>(...args: string[]): Promise<Value> => {
      const ran = await petrify([...args, "--json"], { cwd: desk.folder, env, limitMs: LIMIT_MS });
      assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
      return ran.events.find(({ type }) => type === "result")!["value"] as Value;
    };
    await done("gen", "secrets");
    await done("context", "add", "edge", "--secrets", "petrify-secrets");

    const made = await fixture();
    await using booted = await machine(made, {
      disk: { patches: await onOem(made, "machine.yaml", NETWORK) },
      beside: [{ path: made.image }],
      forwards: [forward],
    });
    const { guest } = booted;
    await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
    const { fingerprint } = await statusOf(guest);
    assert.equal(await guest.check("systemctl show --value --property=ActiveState petrify-api.socket"), "inactive");
    const authority = (await readFile(join(desk.folder, "petrify-secrets/ca.pem"))).toString("base64");
    await guest.check(`mkdir -p -m 0700 /oem/petrify/api && echo ${authority} | base64 -d >/oem/petrify/api/ca.pem`);
    await guest.check("until systemctl is-active --quiet petrify-api.socket; do sleep 0.2; done");

    await done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint!);
    const ask = async () =>
      await done<{ nodes: { value: { machine: { hostname: string }; image: { name: string } } }[] }>("-n", "node-7", "version");
    // An emulated machine that is busy may take longer to start the program than a caller waits.
    const version = await ask().catch(ask).catch(ask);
    assert.deepEqual(
      version.nodes.map(({ value: { machine: found, image } }) => [found.hostname, image.name]),
      [["node-7", "petrify-test"]],
    );
    const pid = await guest.check("systemctl show --value --property=MainPID petrify-api.service");
    const own = await guest.check(`cat /proc/${pid}/status`);
    assert.match(own, /^Uid:\t6\d{4}\t/m, "it is nobody in particular");
    assert.match(own, /^CapEff:\t0+$/m);
    assert.match(own, /^Seccomp:\t2$/m);

    const tellsEvents = async (): Promise<void> => {
      const { events } = await petrify(["-n", "node-7", "events", "--last", "all", "--json"], {
        cwd: desk.folder,
        env,
        limitMs: LIMIT_MS,
      });
      const kinds = new Set(events.map(({ kind }) => kind));
      for (const kind of KINDS)
        assert.ok(kinds.has(`EVENT_KIND_${kind}`), `${kind}, also of the boot before: ${[...kinds].join(" ")}`);
      assert.ok(
        events.some(
          ({ kind, unit }) => kind === "EVENT_KIND_UNIT_FAILED" && (unit as { name: string }).name === "broken.service",
        ),
      );
      assert.ok(
        events.some(({ kind, audit }) => kind === "EVENT_KIND_AUDIT_ENTRY" && (audit as { call?: string }).call === "POST /copy"),
      );
      assert.ok(new Set(events.flatMap(({ bootId }) => bootId ?? [])).size > 1, "they outlive a restart");
    };
    const told = async (...args: string[]): Promise<readonly unknown[]> =>
      (await done<{ nodes: { value: unknown }[] }>("-n", "node-7", ...args)).nodes.map(({ value }) => value);
    const slotOf = async (): Promise<string> => {
      const [status] = (await told("status")) as [{ running: string }];
      return status.running;
    };
    const udev = { name: "systemd-udevd.service", active: true, state: "running", changed: true };
    assert.deepEqual(await told("service", "restart", "systemd-udevd"), [udev]);
    assert.equal(await slotOf(), "BOOT_TARGET_A");
    // The machine has this image in both slots.
    assert.deepEqual(await told("upgrade", IMAGE, "--force"), [{ outcome: "succeeded", changed: true }]);
    assert.equal(await slotOf(), "BOOT_TARGET_B");
    if (FULL) {
      assert.deepEqual(await told("rollback"), [{ outcome: "succeeded", changed: true }]);
      assert.equal(await slotOf(), "BOOT_TARGET_A");
      assert.deepEqual(await told("reboot"), [{ outcome: "has restarted", changed: true }]);
    }
    await guest.check("systemd-run --quiet --wait --unit=broken false || true");
    const copied = await done<{ bytes: number; leftOut: readonly object[] }>("-n", "node-7", "cp", "/usr/lib/os-release", "os");
    assert.deepEqual([copied.bytes, copied.leftOut], [(await readFile(join(desk.folder, "os"))).length, []]);
    const [bundle] = (await told("support", "-o", "fault.tgz")) as [{ missing: readonly string[] }];
    // What is busy, or was not there yet, is left out by name.
    assert.doesNotMatch(bundle.missing.join("\n"), /^(status|history|events|dmesg|services|logs\/boot-[01])/m);
    if (FULL) await tellsEvents();
    const calls = ["POST /service", "POST /upgrade", ...(FULL ? ["POST /rollback", "POST /restart"] : []), "POST /copy"];
    const [{ entries }] = (await told("audit", "show")) as [{ entries: readonly AuditEntry[] }];
    assert.deepEqual(
      entries.flatMap((entry) => (entry.is === "begin" ? [`${entry.by.name} ${entry.by.role} ${entry.call}`] : [])),
      calls.map((call) => `jo admin ${call}`),
    );
    assert.ok(
      entries.some((entry) => entry.is === "operation" && entry.outcome === "succeeded"),
      "also what a later boot has decided",
    );
    const [{ whole }] = (await told("audit", "verify")) as [{ whole: boolean }];
    assert.equal(whole, true);
    if (!FULL) return;
    const bootOf = async (): Promise<string> => ((await told("status")) as [{ boot: { id: string } }])[0].boot.id;
    const before = await bootOf();
    await told("reset", "--keep", "config", "identity", "--yes");
    // Nothing answers while it is reset: nothing of its data is mounted then.
    const end = performance.now() + LIMIT_MS;
    while ((await bootOf().catch(() => before)) === before) {
      assert.ok(performance.now() < end, "it is reset, and answers again");
      await wait(2000);
    }
    assert.equal(await slotOf(), "BOOT_TARGET_A");
    const [after] = (await told("audit", "show")) as [{ entries: readonly AuditEntry[] }];
    assert.ok(
      after.entries.some((entry) => entry.is === "begin" && entry.call === "POST /reset"),
      "the reset keeps who has asked for it",
    );
  },
);
