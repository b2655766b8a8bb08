import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AgentStatus } from "../../src/agent/status.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";
import { ENDPOINT, FAILING, onTrial } from "./harness/trial.ts";

/** An HTTP server of a program that every Debian has. */
const SERVE = `my $server = IO::Socket::INET->new(LocalAddr => "${new URL(ENDPOINT).host}", Listen => 8, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (<$client>) { last if /^\\s*$/ }
  print $client "HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n";
  close $client;
}`;

/** The service manager waits for the agent's beats. To save time for shorter than in the image, where it is three minutes. */
async function isReplacedWhenItHangs(guest: Guest, { agent, boot }: AgentStatus): Promise<void> {
  assert.equal(await guest.check("systemctl show petrifyd --property=WatchdogUSec --value"), "3min");
  const folder = "/run/systemd/system/petrifyd.service.d";
  await guest.check(
    `mkdir -p ${folder} && printf '[Service]\\nWatchdogSec=20s\\n' >${folder}/short.conf && systemctl daemon-reload`,
  );
  await guest.run("systemctl restart petrifyd.service", 240_000);
  const started = await statusOf(guest, ({ agent: { pid } }) => pid !== agent.pid);
  await guest.check(`kill -STOP ${started.agent.pid}`);
  await guest.run(`while test -e /proc/${started.agent.pid}; do sleep 1; done`, 300_000);
  const replaced = await statusOf(guest, ({ agent: { pid } }) => pid !== started.agent.pid);
  assert.equal(replaced.boot.id, boot.id, "the machine goes on");
  assert.match(await guest.check("journalctl --boot --unit=petrifyd.service"), /Watchdog timeout/);
}

suite("health checks that fail", { concurrency: 2 }, () => {
  test("a health endpoint that is down on a proven slot is an alarm and no restart, and the alarm ends with it", async () => {
    await using booted = await machine(await fixture(FAILING), { slot: "b" });
    const { guest, vm } = booted;
    await guest.ready();
    await guest.check("touch /run/petrify-test.healthy"); // the endpoint alone is down
    const alarm = `this machine is not healthy: ${ENDPOINT}: refuses connections`;
    await vm.waitForConsole(new RegExp(`petrify: ${RegExp.escape(alarm)}\n`), { timeoutMs: 300_000 });
    const down = await statusOf(guest, ({ health }) => health.is === "unhealthy");
    assert.deepEqual(
      down.alarms.map(({ message }) => message),
      [alarm],
    );
    // Every minute from now on: a machine that were to restart only after a while has the time for it where every test runs.
    if (FULL) await statusOf(guest, ({ boot }) => boot.uptime >= down.boot.uptime + 130, 300_000);
    await guest.check(`systemd-run --quiet perl -MIO::Socket::INET -e '${SERVE}'`);
    const up = await statusOf(guest, ({ health }) => health.is === "healthy");
    assert.deepEqual([up.boot.id, up.slots.b.tries, up.failedBoots, up.alarms], [down.boot.id, 6, [], []]);
    if (FULL) await isReplacedWhenItHangs(guest, up);
  });

  test("an update whose checks fail is left for the slot before it, which tells why each boot failed, and shows the log", async () => {
    const made = await fixture(FAILING);
    const tries = FULL ? 3 : 1;
    await using booted = await machine(made, { disk: { patches: onTrial(await placesOf(made, []), tries) } });
    const { guest, vm } = booted;
    for (let boot = 0; boot < tries; boot++) {
      await vm.waitForConsole(/petrify: slot b: petrify-test/, { timeoutMs: 300_000 });
      await guest.ready();
    }
    await vm.waitForConsole(/petrify: slot a: petrify-test/, { timeoutMs: 300_000 });
    await guest.ready();
    const status = await statusOf(
      guest,
      ({ health, failedBoots }) => health.is === "healthy" && failedBoots[0]?.end?.log !== undefined,
    );
    assert.equal(status.running, "a");
    assert.deepEqual([status.slots.b.state, status.slots.b.tries, status.slots.a.tries], ["trial", 0, 6]);
    const failed = status.failedBoots.filter(({ end }) => end?.how !== "unseen"); // tries that this test took away look like it
    assert.equal(failed.length, tries);
    for (const { slot, end } of failed) {
      assert.deepEqual([slot, end?.how], ["b", "unhealthy"]);
      assert.match(end!.reason, new RegExp(`${ENDPOINT}: refuses connections; switch: [^;]*nobody has switched it on`));
    }
    const log = failed[0]!.end!.log!;
    assert.equal(log.source, "journal");
    assert.match(log.text, /petrifyd?\[.*slot b is not healthy, and restarts/);
    assert.match(
      await guest.check("petrify status"),
      /^failed +slot b [^\n]*nobody has switched it on[^]*\| .*slot b is not healthy/m,
    );
  });
});
