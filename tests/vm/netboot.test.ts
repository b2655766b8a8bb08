import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openImage } from "../../src/host/image-file.ts";
import { openTools } from "../../src/host/tools.ts";
import { currentCaller } from "../../src/host/caller.ts";
import { MiB, type Bytes } from "../../src/core/units.ts";
import { startProcess } from "../../src/host/process.ts";
import { run } from "../../src/host/run.ts";
import { kernelOf } from "../../src/vm/bootable.ts";
import { chooseAccelerator } from "../../src/vm/kvm.ts";
import type { Firmware } from "../../src/vm/options.ts";
import { startVm } from "../../src/vm/vm.ts";
import { petrify, workspace, type CliEvent } from "../support/cli.ts";
import { networkNamespace, withoutNamespaces, type NetworkNamespace } from "../support/namespace.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture, type Fixture } from "./harness/fixture.ts";
import { AGENT_PORT, guestOf, type Guest } from "./harness/guest.ts";
import { blankDisk } from "./harness/installer.ts";

const CONFIG = "#cloud-config\nhostname: from-the-network\n";
/** A slow machine loads for minutes, and writes a disk for more. */
const READY_MS = 1_200_000;
const MAC = "52:54:00:12:34:56";
const SERVER = "192.0.2.2";

interface Serving extends AsyncDisposable {
  readonly url: URL;
  /** That it says machines need. */
  readonly memory: Readonly<Record<Firmware, Bytes>>;
  /** Paths that were asked for, with the status of each answer. */
  asked(): string[];
  events(type: string): readonly CliEvent[];
}

/** Serves an image to machines, until the scope ends. */
async function serve(image: string, args: readonly string[], cwd: string, prefix: readonly string[] = []): Promise<Serving> {
  const ready = Promise.withResolvers<CliEvent>();
  const events: CliEvent[] = [];
  let stop = (): void => {};
  const ended = petrify(["serve", "netboot", image, "--json", ...args], {
    ...{ cwd, prefix },
    onEvent: (event, interrupt) => {
      events.push(event);
      stop = interrupt;
      if (event.type === "serving") ready.resolve(event);
    },
  });
  ended.then(({ stdout, stderr }) => ready.reject(new Error(`it ended: ${stdout}${stderr}`)), ready.reject);
  const { urls, memory } = (await ready.promise) as unknown as {
    readonly urls: readonly string[];
    readonly memory: Serving["memory"];
  };
  return {
    ...{ url: new URL(urls[0]!), memory },
    events: (type) => events.filter((event) => event.type === type),
    asked: () => events.filter(({ type }) => type === "request").map(({ path, status }) => `${String(path)} ${String(status)}`),
    [Symbol.asyncDispose]: async () => {
      stop();
      assert.equal((await ended).exitCode, 0);
    },
  };
}

interface NetworkMachine {
  readonly firmware?: Firmware;
  /** QEMU's network behind the card that the machine boots from. */
  readonly network: string;
  /** Default: iPXE, as QEMU's cards have it. */
  readonly rom?: "none";
  /** Comes before the network, and keeps what is written to it. Default: none. */
  readonly disk?: string;
}

/** A machine that has nothing but a card to boot from, and the memory that it is said to need. */
async function machineOn(
  { host, init, image }: Fixture,
  { memory }: Serving,
  { firmware = "bios", network, rom, disk }: NetworkMachine,
): Promise<{ readonly guest: Guest } & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await takeCore());
  const folder = cleanup.use(await workspace()).folder;
  const { accelerator } = await chooseAccelerator(host, async () => await kernelOf(host.tools, image, folder));
  const card = `virtio-net-pci,netdev=boot,mac=${MAC},bootindex=9${rom === "none" ? ",romfile=" : ""}`;
  const vm = await startVm(host, {
    ...{ accelerator, firmware, memory: memory[firmware], ports: [AGENT_PORT], online: true },
    disks: disk === undefined ? [] : [{ path: disk, format: "raw", writes: "keep" }],
    extra: ["-netdev", network, "-device", card],
  });
  cleanup.use(vm);
  const scope = cleanup.move();
  return { guest: guestOf(vm, init), [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

/** It runs what it was served, knows its config, and is healthy. */
async function requireServed(guest: Guest): Promise<void> {
  await guest.ready(READY_MS);
  assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
  const status = await statusOf(guest);
  assert.deepEqual([status.running, status.health.is, status.alarms], ["ram", "healthy", []]);
  assert.equal(await guest.check("cat /run/petrify/machine.yaml; stat -c %a /run/petrify/machine.yaml"), `${CONFIG}600`);
}

/** For iPXE of a card, told the URL: a guest finds this machine's loopback at 10.0.2.2. */
const toldUrl = ({ url }: Serving): string => `user,id=boot,bootfile=http://10.0.2.2:${url.port}${url.pathname}`;

/** A rack: a machine's card, the network's own DHCP server, and the machine that serves. */
async function rack() {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await networkNamespace());
  const router = cleanup.use(await networkNamespace());
  await server.ip("link", "add", "br0", "type", "bridge");
  await server.ip("link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", String(router.pid));
  await server.ip("tuntap", "add", "port1", "mode", "tap");
  for (const port of ["port0", "port1"]) await server.ip("link", "set", port, "master", "br0", "up");
  await server.ip("address", "add", `${SERVER}/24`, "dev", "br0");
  await server.ip("link", "set", "br0", "up");
  await router.ip("address", "add", "192.0.2.1/24", "dev", "eth0");
  await router.ip("link", "set", "eth0", "up");
  const scope = cleanup.move();
  return { server, router, [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

/** The network's own DHCP server, which knows nothing of boots. */
async function plainDhcp({ prefix }: NetworkNamespace): Promise<AsyncDisposable> {
  const tools = await testTools("netboot");
  const words = ["--port=0", "--interface=eth0", "--bind-interfaces", "--user=nobody", "--pid-file=", "--no-ping"];
  const leases = ["--dhcp-range=192.0.2.50,192.0.2.60,1h", "--dhcp-leasefile=/run/leases"];
  const argv = tools.argv(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", ...words, ...leases], { network: true });
  return await startProcess([...prefix, ...argv] as [string, ...string[]], 0);
}

/** QEMU runs in that network, with its cables. */
function within({ prefix }: NetworkNamespace, made: Fixture): Fixture {
  const caller = currentCaller();
  const { root, id } = made.host.tools;
  const tools = openTools(root, id, { ...caller, devices: [...caller.devices, "net/tun"] }, run);
  const argv: typeof tools.argv = (command, options) => [...prefix, ...tools.argv(command, options)] as [string, ...string[]];
  return { ...made, host: { ...made.host, tools: { ...tools, argv } } };
}

const CASES = {
  "iPXE of a BIOS machine, told the URL": async (made: Fixture, folder: string) => {
    await using serving = await serve(made.image, ["--listen", "127.0.0.1:0", "--live", "--config", "machines"], folder);
    await using booted = await machineOn(made, serving, { network: toldUrl(serving) });
    await requireServed(booted.guest);
    assert.deepEqual(serving.asked(), [
      ...["/boot.ipxe 200", "/initrd 200", `/machine/${MAC.replaceAll(":", "-")}.cpio 200`, "/vmlinuz 200"],
    ]);
  },
  "UEFI firmware that asks beside the network's own DHCP server": async (made: Fixture, folder: string) => {
    await using net = await rack();
    await using _ = await plainDhcp(net.router);
    const args = ["--dhcp", "proxy", "--interface", "br0", "--live", "--config", "machines"];
    await using serving = await serve(made.image, args, folder, net.server.prefix);
    const network = "tap,id=boot,ifname=port1,script=no,downscript=no";
    await using booted = await machineOn(within(net.server, made), serving, { network, firmware: "uefi", rom: "none" });
    await requireServed(booted.guest);
    assert.ok(serving.events("dhcp").some(({ what, file }) => what === "sent" && file === "snponly.efi"));
    assert.ok(serving.events("dhcp").some(({ what, mac }) => what === "asked" && mac === MAC));
  },
} as const;

suite("a machine that boots from the network", { concurrency: 1 }, async () => {
  for (const name of oneOf(Object.keys(CASES) as (keyof typeof CASES)[])) {
    const skip = inTurn(4) || (name.startsWith("UEFI") ? await withoutNamespaces() : false);
    test(`${name}, is served the image and its own config, and is healthy`, { skip }, async () => {
      const made = await fixture();
      await using user = await workspace({ [`machines/${MAC}.yaml`]: CONFIG, "machines/default.yaml": "#cloud-config\n" });
      await CASES[name](made, user.folder);
    });
  }

  test("is installed by itself, once, and then boots from its disk", { skip: FULL ? false : "only in full runs" }, async () => {
    const made = await fixture();
    const config = "#cloud-config\ninstall: { device: auto }\n";
    await using user = await workspace({ "node.yaml": config });
    using whole = openImage(made.disk);
    const disk = await blankDisk(join(user.folder, "disk"), whole.size + 512 * MiB);
    await using serving = await serve(made.image, ["--listen", "127.0.0.1:0", "--config", "node.yaml"], user.folder);
    await using booted = await machineOn(made, serving, { network: toldUrl(serving), disk });
    const { guest } = booted;
    await guest.ready(READY_MS); // from memory
    await guest.ready(READY_MS); // from the disk, after a restart of its own
    assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
    const status = await statusOf(guest);
    assert.deepEqual([status.running, status.health.is, status.alarms], ["a", "healthy", []]);
    assert.equal(await guest.check("cat /oem/machine.yaml"), config.trim());
    assert.equal(serving.asked().filter((line) => line === "/boot.ipxe 200").length, 1);
  });
});
