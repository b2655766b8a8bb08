import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { API_PORT } from "../../src/layout/api-places.ts";
import { freePort } from "../support/free-port.ts";
import {
  AFTER_RESTART,
  AS_ROOT,
  FIRMWARE,
  FROM_CONSOLE,
  FROM_DISK,
  FROM_FIRMWARE,
  laidOnDisk,
  LEAVE,
  LOOK_AGAIN,
  until,
  wordOnDisk,
  type Attempt,
} from "./harness/attempts.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture, SEALED, type Fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { LOADER_PROMPT, press, typeAtLoader } from "./harness/keys.ts";
import { machine, type Machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";
import { workstation } from "./harness/workstation.ts";

const LIMIT_MS = 600_000;
const PROFILES = ["open", "sealed"] as const;
type Profile = (typeof PROFILES)[number];
/** Both are alike but for their profile. */
const imageOf = async (profile: Profile): Promise<Fixture> =>
  await fixture(profile === "sealed" ? SEALED : { node: true, waits: true });

test("a sealed machine boots, gets its owner and is looked at over the network, and is healthy; nothing has failed in it", async () => {
  await using station = await workstation();
  const port = await freePort();
  await using booted = await machine(await imageOf("sealed"), { forwards: [{ host: port, guest: API_PORT }] });
  const { guest, vm } = booted;
  await guest.ready(LIMIT_MS);
  assert.equal(await bootEnd(guest), "running");
  assert.equal(await said(guest, 'return run("systemctl", "is-active", "petrify-sealed.service").output'), "active");
  const [, key] = await vm.waitForConsole(/waits for its owner at port 50000; its key is (SHA256:\S{43})/, {
    timeoutMs: LIMIT_MS,
  });
  await writeFile(join(station.folder, "machine.yaml"), "#cloud-config\nhostname: node-7\n");
  await station.done(
    ...["apply-config", "--insecure", "node-7", "--address", `127.0.0.1:${port}`, "--file", "machine.yaml"],
    ...["--fingerprint", key!],
  );
  for (const end = performance.now() + LIMIT_MS; ;) {
    const { health } = await station.told<{ readonly health: { readonly state: string } }>("node-7", "status");
    if (health.state === "HEALTH_STATE_HEALTHY") break;
    assert.ok(performance.now() < end, JSON.stringify(health));
  }
});

/** What a script that has to succeed says, on a machine that may be slow. */
async function said(guest: Guest, script: string): Promise<string> {
  const { status, output } = await guest.run(script, LIMIT_MS);
  assert.equal(status, 0, output);
  return output.trim();
}
/** What the service manager makes of the boot, once it is over. */
const bootEnd = async (guest: Guest): Promise<string> =>
  await said(guest, 'return run("systemctl", "is-system-running", "--wait").output');

/** On an open machine each of them is a way in. */
const expected = { open: "in", sealed: "refused" } as const;
async function attempts(t: TestContext, booted: Machine, profile: Profile, from: string, all: readonly Attempt[]): Promise<void> {
  for (const { name, try: tryIt } of all) {
    await t.test(`${from}: ${name}`, async () => {
      const output = await tryIt(booted);
      assert.equal(/^in(?::|$)/.test(output) ? "in" : "refused", expected[profile], output);
    });
  }
}

// What is a way into an open machine does not change often.
for (const profile of FULL ? PROFILES : (["sealed"] as const)) {
  const how = profile === "open" ? "gets into an open machine" : "does not get into a sealed machine";
  test(
    `whoever has its console, its firmware, its disk or a service of root ${how}, now and after a restart`,
    { skip: inTurn(0) },
    async (t) => {
      const made = await imageOf(profile);
      await using booted = await machine(made, { disk: { patches: await laidOnDisk(made) }, extra: FIRMWARE });
      const { guest, vm } = booted;
      await vm.waitForConsole("petrify: ", { timeoutMs: LIMIT_MS });
      await typeAtLoader(vm);
      await guest.ready(LIMIT_MS);
      await bootEnd(guest);
      await t.test("console: keys while the boot loader is at work show neither menu nor prompt", () =>
        assert.doesNotMatch(vm.consoleText(), LOADER_PROMPT),
      );
      await attempts(t, booted, profile, "console", FROM_CONSOLE);
      await attempts(t, booted, profile, "firmware", FROM_FIRMWARE);
      await guest.run(LOOK_AGAIN, LIMIT_MS);
      await attempts(t, booted, profile, "disk", FROM_DISK);
      await attempts(t, booted, profile, "root in a service", AS_ROOT);
      assert.ok(Number(await said(guest, LEAVE)) > 10);
      await (profile === "open" ? restartOpen : restartSealed)(t, booted);
      await bootEnd(guest);
      await guest.run(LOOK_AGAIN, LIMIT_MS);
      await attempts(t, booted, profile, "after a restart", AFTER_RESTART);
    },
  );
}

const EMERGENCY = '"systemctl", "start", "--no-block", "emergency.service"';
const CTRL_ALT_DEL = ["ctrl", "alt", "delete"] as const;

async function restartOpen(t: TestContext, { vm, guest }: Machine): Promise<void> {
  await t.test("console: the emergency shell, where a mount that fails may lead, is offered", async () => {
    // Nobody has a password, so it goes back to the default target, which does without the tests' agent.
    void guest.run(`run(${EMERGENCY})`).catch(() => {});
    await vm.waitForConsole("You are in emergency mode", { timeoutMs: LIMIT_MS });
  });
  await t.test("console: ctrl-alt-del restarts the machine", async () => {
    await press(vm, ...CTRL_ALT_DEL);
    await guest.ready(LIMIT_MS);
  });
}

async function restartSealed(t: TestContext, { vm, guest }: Machine): Promise<void> {
  await t.test("console: ctrl-alt-del does nothing", async () => {
    await press(vm, ...CTRL_ALT_DEL);
    const isRefused = 'run("journalctl", "--boot", "_PID=1", "--grep=ctrl-alt-del.target is masked").status === 0';
    assert.equal(await said(guest, until(isRefused)), "in");
    assert.match(await said(guest, 'return run("systemctl", "is-system-running").output'), /^(?:running|degraded)$/);
  });
  await t.test("console: in place of the emergency shell the machine restarts", async () => {
    void guest.run(`run(${EMERGENCY})`).catch(() => {}); // it may end before it can answer
    await guest.ready(LIMIT_MS);
  });
}

test(
  "disk: a word that somebody writes where the boot loader reads more of them starts a shell in an open image; a sealed one says which word it is, and restarts",
  { skip: inTurn(2) },
  async () => {
    const told = async (profile: Profile): Promise<Machine> => {
      const made = await imageOf(profile);
      return await machine(made, { disk: { patches: wordOnDisk(await placesOf(made, [])) } });
    };
    if (FULL) {
      await using open = await told("open");
      await open.vm.waitForConsole("Started debug-shell.service", { timeoutMs: LIMIT_MS });
    }
    await using sealed = await told("sealed");
    await sealed.vm.waitForConsole("the kernel command line has a word that a sealed image does not take: systemd.unit", {
      timeoutMs: LIMIT_MS,
    });
  },
);
