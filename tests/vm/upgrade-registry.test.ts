/** A machine upgrades itself from a registry: signed, by a delta, with an agent that is killed in the middle of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEntry, UpgradePlan } from "../../src/agent/operations/service.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { latin1Text } from "../../src/layout/env-block.ts";
import { encodeNumbered } from "../../src/layout/numbered-text.ts";
import { keyId } from "../../src/layout/public-key.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { firstKeys } from "../../src/release/change-keys.ts";
import { encodeTrustedKeys } from "../../src/release/trusted-keys.ts";
import { publishUnsigned, publishWithDelta } from "../support/delta-release.ts";
import { testRegistry } from "../support/registry.ts";
import { newKeyPair } from "../support/signing.ts";
import { testContext } from "../support/store-contract.ts";
import { statusOf } from "./harness/agent.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";
import { SWITCH_ON, UPDATE, withEmptyB } from "./harness/trial.ts";

const LIMIT_MS = 400_000;
const KILL = "kill -9 $(systemctl show petrifyd --property=MainPID --value)";
const NAMES = { repository: "team/edge", tag: "2" } as const;

test("a machine with keys takes no unsigned release, and a signed one by a delta, goes on after its agent was killed, and says how few bytes came", async () => {
  const made = await fixture(UPDATE);
  const key = newKeyPair();
  await using registry = await testRegistry();
  await publish(registry.host, { old: made.image, wanted: made.slotB }, key);
  await using booted = await machine(made, { disk: { patches: withEmptyB(await placesOf(made, [])) }, online: true });
  const { guest } = booted;
  await guest.ready();
  await statusOf(guest);
  // As an image with keys would have left them.
  const keys = latin1Text(encodeTrustedKeys(firstKeys([key.publicKey], sha256)));
  const stored = Buffer.from(encodeNumbered({ name: "petrify-trust", format: 1, size: 32_768 }, 1, keys)!);
  const text = stored.toString("latin1").replace(/\0+$/, "");
  await guest.check(
    `cd /oem/petrify/agent && echo ${Buffer.from(text, "latin1").toString("base64")} | base64 -d >trust-1 && truncate -s ${stored.length} trust-1 && systemctl restart petrifyd`,
  );
  await guest.check("systemctl start systemd-networkd");
  const online = await guest.run("/usr/lib/systemd/systemd-networkd-wait-online --timeout=300", LIMIT_MS);
  assert.equal(online.status, 0, online.output);

  // A guest finds this machine's loopback there.
  const reference = `http://10.0.2.2:${registry.host.split(":")[1]}/${NAMES.repository}:${NAMES.tag}`;
  const plan = await json<UpgradePlan>(guest, `petrify upgrade ${reference} --plan --json`);
  assert.equal(plan.image.trust, `signed by ${keyId(key.publicKey, sha256)}`);
  assert.match(plan.delivery!.way, /^a delta from the running image/);
  const unsigned = await guest.run(`petrify upgrade ${reference}-unsigned`);
  assert.match(unsigned.output, /is not signed/);
  const alone = await guest.run("petrify upgrade /etc/os-release");
  assert.match(alone.output, /takes signed releases only/);

  await guest.check(`systemd-run --quiet petrify upgrade ${reference} --stage`);
  await statusOf(guest, ({ operation }) => operation?.at === "writing", LIMIT_MS);
  await guest.check(KILL);
  const staged = await statusOf(guest, ({ operation }) => operation?.at === "flipped", LIMIT_MS);
  assert.deepEqual([staged.running, staged.slots.b.digest, staged.slots.b.state], ["a", plan.image.image.digest, "trial"]);

  await guest.check("systemd-run --quiet petrify reboot");
  await guest.ready(LIMIT_MS);
  await guest.check(SWITCH_ON);
  const proven = await statusOf(guest, ({ slots, operation }) => slots.b.state === "proven" && !operation, LIMIT_MS);
  assert.equal(proven.running, "b");
  const { operations } = await json<{ operations: readonly HistoryEntry[] }>(guest, "petrify history --json");
  const { outcome, way, downloaded } = operations[0]!;
  assert.equal(outcome, "succeeded");
  assert.match(way!, /^a delta from the running image|^nothing to download/);
  assert.ok(downloaded!.bytes < downloaded!.of / 10, JSON.stringify(downloaded));
  assert.match(await guest.check("petrify history"), /bytes +downloaded [\d.]+ MB of [\d.]+ MB/);
});

async function publish(
  host: string,
  { old, wanted }: { readonly old: string; readonly wanted: string },
  key: ReturnType<typeof newKeyPair>,
): Promise<void> {
  using context = testContext();
  const store = openStore(parseReference(`http://${host}/${NAMES.repository}`), context);
  const created = Math.floor(Date.now() / 1000);
  await publishWithDelta({ store, tag: NAMES.tag, from: old, image: wanted, created, key });
  await publishUnsigned({ store, tag: `${NAMES.tag}-unsigned`, image: wanted, created });
}

/** What the last line of a command's output says. */
async function json<T extends object>(guest: Guest, command: string): Promise<T> {
  const { output } = await guest.run(command, LIMIT_MS);
  return (JSON.parse(output.trim().split("\n").at(-1)!) as { value: T }).value;
}
