import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { API_PORT } from "../../src/layout/api-places.ts";
import { petrify, workspace } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { AFTER_RESTART, AS_ROOT, BROUGHT, CREDENTIAL, LEAVE, type Attempt } from "./harness/attempts.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture, type Fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const NETWORK =
  '#cloud-config\nhostname: node-7\nnetwork:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
const LIMIT_MS = 600_000;
const PROFILES = ["open", "sealed"] as const;
type Profile = (typeof PROFILES)[number];
const imageOf = async (profile: Profile): Promise<Fixture> =>
  await fixture({ node: true, ...(profile === "sealed" ? { profile } : {}) });

test("a sealed machine boots, is healthy, and is looked at over the network; nothing has failed in it", async () => {
  await using desk = await workspace();
  const forward = { host: await freePort(), guest: API_PORT };
  const env = { XDG_CONFIG_HOME: join(desk.folder, "config"), USER: "jo" };
  const done = async <Value>(...args: string[]): Promise<Value> => {
    const ran = await petrify([...args, "--json"], { cwd: desk.folder, env, limitMs: LIMIT_MS });
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.events.find(({ type }) => type === "result")!["value"] as Value;
  };
  await done("gen", "secrets");
  await done("context", "add", "edge", "--secrets", "petrify-secrets");
  const made = await imageOf("sealed");
  await using booted = await machine(made, {
    disk: { patches: await onOem(made, "machine.yaml", NETWORK) },
    forwards: [forward],
  });
  const { guest } = booted;
  await guest.ready(LIMIT_MS);
  assert.equal(await bootEnd(guest), "running");
  assert.equal(await said(guest, 'return run("systemctl", "is-active", "petrify-sealed.service").output'), "active");
  const { fingerprint } = JSON.parse(await said(guest, STATUS)) as { fingerprint: string };
  const authority = (await readFile(join(desk.folder, "petrify-secrets/ca.pem"))).toString();
  await guest.check(
    `fs.mkdirSync("/oem/petrify/api", { recursive: true, mode: 0o700 }); fs.writeFileSync("/oem/petrify/api/ca.pem", ${JSON.stringify(authority)})`,
  );
  await guest.check("while (run('systemctl', 'is-active', 'petrify-api.socket').status !== 0) await wait(200)");
  await done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint);
  const ask = async () => await done<{ nodes: { value: { state: string } }[] }>("-n", "node-7", "status");
  const { nodes } = await ask().catch(ask).catch(ask);
  assert.equal(nodes.length, 1);
});

const STATUS = `for (;;) {
  const { status, output } = run("/usr/bin/petrify", "status", "--json");
  if (status === 0 && JSON.parse(output).value.health.is === "healthy") return JSON.stringify(JSON.parse(output).value);
  await wait(500);
}`;

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
async function attempt(t: TestContext, guest: Guest, profile: Profile, { name, script }: Attempt): Promise<void> {
  await t.test(name, async () => {
    const { output } = await guest.run(script, LIMIT_MS);
    assert.equal(output === "in" ? "in" : "refused", expected[profile], output);
  });
}
// What is a way into an open machine does not change often.
for (const profile of FULL ? PROFILES : (["sealed"] as const)) {
  const how = profile === "open" ? "gets further on an open machine" : "gets no further on a sealed machine";
  test(`whoever is root in a service ${how}, now and after a restart`, { skip: inTurn(2) }, async (t) => {
    await using booted = await machine(await imageOf(profile), { extra: CREDENTIAL });
    const { guest, vm } = booted;
    await guest.ready(LIMIT_MS);
    await bootEnd(guest);
    await attempt(t, guest, profile, BROUGHT);
    for (const one of AS_ROOT) await attempt(t, guest, profile, one);
    await t.test("the serial console asks for a login", () => {
      assert.equal(/ login:/.test(vm.consoleText()), profile === "open");
    });
    await guest.check(LEAVE);
    await guest.reboot(LIMIT_MS);
    await bootEnd(guest);
    for (const one of AFTER_RESTART) await attempt(t, guest, profile, one);
  });
}

test("a word that somebody adds to the command line starts a shell in an open image; a sealed one says which word it is, and restarts", async () => {
  const told = { slot: "a", words: "systemd.debug_shell=1" } as const;
  if (FULL) {
    await using open = await machine(await imageOf("open"), told);
    await open.guest.ready(LIMIT_MS);
    await bootEnd(open.guest);
    assert.equal(await said(open.guest, 'return run("systemctl", "is-active", "debug-shell.service").output'), "active");
  }
  await using sealed = await machine(await imageOf("sealed"), told);
  await sealed.vm.waitForConsole("the kernel command line has a word that a sealed image does not take: systemd.debug_shell", {
    timeoutMs: LIMIT_MS,
  });
});
