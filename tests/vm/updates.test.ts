/** A machine that keeps itself current: what it takes when, what keeps it from that, and what it leaves alone. docs/concepts/updates.md */
import assert from "node:assert/strict";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import type { HistoryEntry } from "../../src/agent/operations/service.ts";
import type { UpdatePlan } from "../../src/agent/updates/plan.ts";
import type { UpdateNews } from "../../src/agent/updates/ports.ts";
import type { UpdatesStatus } from "../../src/agent/updates/updates.ts";
import { MiB } from "../../src/core/units.ts";
import { layoutStore } from "../../src/registry/layout-store.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { publishUnsigned, publishWithDelta } from "../support/delta-release.ts";
import { selfSigned } from "../support/docker-registry.ts";
import { fleetLockServer } from "../support/fleetlock.ts";
import { serve, testRegistry } from "../support/registry.ts";
import { newKeyPair } from "../support/signing.ts";
import { testContext } from "../support/store-contract.ts";
import { webFolder } from "../support/web-folder.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { configOf } from "./harness/config.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine, type Machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";
import { blankDisk } from "./harness/installer.ts";
import { METERED } from "./harness/network-manager.ts";
import { placesOf } from "./harness/places.ts";
import { FAILING, SWITCH_ON, UPDATE, withEmptyB } from "./harness/trial.ts";

const LIMIT_MS = 900_000;
const HOUR = 3600;
/** A guest finds this machine's loopback there. */
const HOST = "10.0.2.2";
const NETWORK = "network: { version: 2, ethernets: { lan: { match: { name: 'e*' }, dhcp4: true } } }";
const portOf = (host: string): string => host.split(":")[1]!;

test(
  "a machine goes to a new release in its window: not while its source is away, nor before, while it is paused, or while something holds a lock; a bad one it leaves alone",
  { skip: inTurn(3) },
  async () => {
    const made = await fixture(UPDATE);
    await using site = await openSite();
    await site.publish(made.slotB, made.image);
    const opens = Math.floor(Date.now() / 60_000) * 60 + 3 * HOUR;
    const window = `windows: [{ start: "${new Date(opens * 1000).toISOString().slice(11, 16)}", length: 6h }]`;
    const config = `#cloud-config\n${NETWORK}\n${site.updates(site.source, window)}`;
    const patches = [...withEmptyB(await placesOf(made, [])), ...(await onOem(made, "machine.yaml", config))];
    await using bad = FULL ? await badRelease() : undefined;
    const beside = bad ? [{ path: bad.stick }] : [];
    await using booted = await machine(made, { disk: { patches }, online: true, beside });
    const { guest, vm } = booted;
    await guest.ready(LIMIT_MS);

    const away = await updatesOf(guest, ({ state }) => state.lookFailure !== undefined);
    assert.match(away.state.lookFailure!.reason, /team\/edge/);
    site.isUp = true;
    const waits = await updatesOf(guest, ({ next }) => next?.because === "window");
    assert.deepEqual([waits.state.release?.security, waits.state.lookFailure], [false, undefined]);
    const { slots } = await statusOf(guest);
    assert.deepEqual([slots.a.role, slots.b.state], ["active", "empty"], "it is at hand, and nothing boots from it");
    const plan = await valueOf<UpdatePlan>(guest, "petrify updates plan --json");
    assert.deepEqual([plan.because, plan.earliest], ["window", opens]);

    await guest.check("petrify updates pause --reason 'trade fair'");
    await guest.check(`date --set=@${opens + 60}`);
    await updatesOf(guest, ({ next }) => next?.because === "paused");
    await guest.check("petrify lock backup --ttl 1h --reason nightly");
    await guest.check("petrify updates resume");
    const locked = await updatesOf(guest, ({ next }) => next?.because === "lock");
    assert.match(locked.next!.why, /the lock backup \(nightly\) ends in/);
    for (const because of ["window", "lock"]) {
      const events = `journalctl --quiet --output=cat _UID=0 PETRIFY_EVENT=update-waits PETRIFY_UPDATE_BECAUSE=${because}`;
      const told = await guest.run(`until ${events} | grep '^updates: ${because}: '; do sleep 1; done`, LIMIT_MS);
      assert.equal(told.status, 0, told.output);
    }
    assert.deepEqual(
      [...site.fleet.holders.values()].flatMap((ids) => [...ids]),
      [],
      "nobody is to be away yet",
    );

    site.isUp = false; // what is needed of it is here
    await guest.check("petrify lock --release backup");
    await vm.waitForConsole(/petrify: updates: restart: \S+ is staged, and the time has come/, { timeoutMs: LIMIT_MS });
    await guest.ready(LIMIT_MS);
    assert.equal(site.fleet.holders.get("edge")?.size, 1, "it is away until it is healthy");
    await guest.check(SWITCH_ON);
    const proven = await statusOf(guest, ({ slots: { b }, operation }) => b.state === "proven" && !operation, LIMIT_MS);
    assert.equal(proven.running, "b");
    const current = await updatesOf(guest, ({ next, state }) => next?.because === "current" && state.lock === undefined);
    assert.equal(site.fleet.holders.get("edge")?.size, 0);
    assert.ok(current.state.took! > 60 && current.state.took! < HOUR, `${current.state.took} s`);
    assert.deepEqual(await ended(guest), ["upgrade succeeded", "download succeeded"]);
    assert.deepEqual(
      site.told
        .filter(({ event }) => event !== "failed")
        .map(({ event, step }) => `${event} ${step}`)
        .filter((line) => !line.endsWith("give-lock-back")),
      [
        ...["found look", "began download", "done download", "began take-lock", "done take-lock"],
        ...["began stage", "done stage", "began restart"],
      ],
    );
    if (bad) await leavesABadOneAlone(booted, site, bad);
  },
);

/** From a folder of an HTTPS server, whose authority is the machine's own, and from a stick. */
async function leavesABadOneAlone({ guest, vm }: Machine, site: Site, bad: BadRelease): Promise<void> {
  const source = `https://${HOST}:${new URL(bad.url).port}/edge/`;
  await guest.check(`mkdir -p /oem/registry && printf %s '${bad.certificate}' >/oem/registry/ca.pem`);
  const before = vm.consoleText().length;
  const tried = (): number =>
    vm
      .consoleText()
      .slice(before)
      .match(/petrify: slot a: petrify-test/g)?.length ?? 0;

  // Another source is looked at as soon as the config names it.
  await configOf(guest, "apply -", `#cloud-config\n${NETWORK}\n${site.updates(source, "hold: 2099-01-01")}`);
  await updatesOf(guest, ({ next }) => next?.because === "hold");
  const metered = await guest.run(METERED.begin, LIMIT_MS);
  assert.equal(metered.status, 0, metered.output);
  await configOf(guest, "apply -", `#cloud-config\n${NETWORK}\n${site.updates(source, "")}`);
  await updatesOf(guest, ({ next }) => next?.because === "metered");
  await guest.check(METERED.end);
  await vm.waitForConsole(/petrify: slot a: petrify-test/, { timeoutMs: 2 * LIMIT_MS });
  await vm.waitForConsole(/petrify: slot b: petrify-test/, { timeoutMs: 3 * LIMIT_MS });
  await answers(guest);
  const left = await updatesOf(guest, ({ next, state }) => next?.because === "fell back" && state.lock === undefined);
  assert.match(left.state.left[0]!.reason, /nobody has switched it on/);
  assert.deepEqual((await ended(guest)).slice(0, 2), ["upgrade fell back", "download succeeded"]);
  const checked = await guest.run("petrify updates check", LIMIT_MS);
  assert.match(checked.output, /^next +fell back: .*: it fell back here on .*: .*^left +/ms);
  assert.equal(checked.status, 0);
  await guest.check("mkdir -p /run/stick && mount -o ro /dev/disk/by-id/virtio-petrify1 /run/stick");
  await configOf(guest, "apply -", `#cloud-config\n${NETWORK}\n${site.updates("oci:/run/stick", "")}`);
  const isBrought = ({ state }: UpdatesStatus): boolean => state.release?.reference.startsWith("oci:") === true;
  await updatesOf(guest, (status) => isBrought(status) && status.next?.because === "fell back");
  await guest.check("umount --lazy /run/stick");
  const gone = await guest.run("petrify updates check --json", LIMIT_MS);
  assert.match(gone.output, /^\{"type":"error","code":"[A-Z_]+","message":"[^"]*oci:\/run\/stick/);
  assert.equal(gone.status, 1);
  await updatesOf(guest, ({ next, state }) => next?.because === "fell back" && state.lookFailure !== undefined);

  await guest.check("date --set='+3 days'");
  await guest.check("petrify updates resume");
  await updatesOf(guest, ({ next }) => next?.because === "clock not set");
  const { running, slots } = await statusOf(guest);
  assert.deepEqual([running, slots.b.state, slots.b.role, tried()], ["b", "proven", "active", 3]);
}

interface BadRelease extends AsyncDisposable {
  /** Of a folder on an HTTPS server, and who vouches for that, PEM. */
  readonly url: string;
  readonly certificate: string;
  /** The same folder on a disk. */
  readonly stick: string;
}

/** A release that is newer than any that was made before, and that no machine is healthy with. */
async function badRelease(): Promise<BadRelease> {
  const {
    slotB: image,
    host: { tools },
  } = await fixture(FAILING);
  await using scope = new AsyncDisposableStack();
  const { path } = scope.use(await mkdtempDisposable(join(tmpdir(), "petrify-updates-")));
  await publishUnsigned({ store: layoutStore(join(path, "edge")), tag: "stable", image, created: now() + 1 });
  const made = await selfSigned(tools, path, HOST);
  const [key, cert] = [await readFile(made.key, "utf8"), await readFile(made.certificate, "utf8")];
  const { url } = scope.use(await webFolder(join(path, "edge"), { tls: { key, cert } }));
  const stick = await blankDisk(join(path, "stick"), 512 * MiB);
  await tools.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", "/tmp/d/edge", "/tmp/d/stick"], {
    binds: [{ source: path, target: "/tmp/d", writable: true }],
  });
  const kept = scope.move();
  return { url, certificate: cert, stick, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** Once it does: boots that end soon may have answered nobody. */
async function answers(guest: Guest): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  const isUp = async (): Promise<boolean> => (await guest.run("true", 20_000).catch(() => ({ status: 1 }))).status === 0;
  while (!(await isUp())) assert.ok(performance.now() < end, "nobody answers");
}

interface Site extends AsyncDisposable {
  /** The registry's: it answers once this is so. */
  isUp: boolean;
  readonly source: string;
  readonly fleet: Awaited<ReturnType<typeof fleetLockServer>>;
  /** What the webhook was told, by who has the config's header. */
  readonly told: readonly UpdateNews[];
  /** Releases an image under the tag that machines follow, with a delta from another one; from then on nobody answers. */
  readonly publish: (image: string, from: string) => Promise<void>;
  /** The key `updates` of a machine config. */
  readonly updates: (source: string, more: string) => string;
}

/** Whatever a fleet has: a registry, the server of its lock, and somebody who wants to know. */
async function openSite(): Promise<Site> {
  await using scope = new AsyncDisposableStack();
  const told: UpdateNews[] = [];
  const fleet = scope.use(await fleetLockServer(1));
  const registry = scope.use(await testRegistry({ fault: () => (site.isUp ? undefined : { cutAfter: 0 }) }));
  const hook = scope.use(
    await serve((request, response) => {
      const hear = async (): Promise<void> => {
        const news = (await json(request)) as UpdateNews;
        if (request.headers["x-secret"] === "open sesame") told.push(news);
        response.end();
      };
      void hear();
    }),
  );
  const context = scope.use(testContext());
  const kept = scope.move();
  const site: Site = {
    ...{ isUp: true, fleet, told, source: `http://${HOST}:${portOf(registry.host)}/team/edge` },
    publish: async (image, from) => {
      const store = openStore(parseReference(`http://${registry.host}/team/edge`), context);
      await publishWithDelta({ store, tag: "stable", image, from, created: now(), key: newKeyPair() });
      site.isUp = false;
    },
    updates: (source, more) =>
      [
        "updates:",
        ...[`source: ${source}`, "channel: stable", "mode: apply", "check: 24h", "jitter: 1s", more],
        "retry: { first: 10s, longest: 1min }",
        `coordination: { fleetlock: { url: 'http://${HOST}:${portOf(new URL(fleet.url).host)}', group: edge } }`,
        `webhook: { url: 'http://${HOST}:${portOf(hook.host)}/', headers: { x-secret: open sesame } }`,
      ].join("\n  "),
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
  return site;
}

const now = (): number => Math.floor(Date.now() / 1000);

/** Asked as a user would, again until it holds. */
async function updatesOf(guest: Guest, wanted: (status: UpdatesStatus) => boolean): Promise<UpdatesStatus> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const { status, output } = await guest.run("petrify updates status --json", LIMIT_MS);
    const found = status === 0 ? (JSON.parse(output) as { readonly value: UpdatesStatus }).value : undefined;
    if (found && wanted(found)) return found;
    if (performance.now() > end) throw new Error(`updates are not what they should become: ${output}`);
    await guest.run("sleep 8"); // asking takes the time of what is waited for
  }
}

/** Newest first. */
async function ended(guest: Guest): Promise<string[]> {
  const { operations } = await valueOf<{ operations: readonly HistoryEntry[] }>(guest, "petrify history --json");
  return operations.map(({ kind, only, outcome }) => `${only ?? kind} ${outcome}`);
}

/** What the last line of a command's output says. */
async function valueOf<T extends object>(guest: Guest, command: string): Promise<T> {
  const { output } = await guest.run(command, LIMIT_MS);
  return (JSON.parse(output.trim().split("\n").at(-1)!) as { value: T }).value;
}
