import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openTools } from "../../src/host/tools.ts";
import { currentCaller } from "../../src/host/caller.ts";
import type { Bytes } from "../../src/core/units.ts";
import { startProcess } from "../../src/host/process.ts";
import { run } from "../../src/host/run.ts";
import type { Firmware } from "../../src/vm/options.ts";
import { petrify, workspace, type CliEvent } from "../support/cli.ts";
import { networkNamespace, withoutNamespaces, type NetworkNamespace } from "../support/namespace.ts";
import { testTools } from "../support/tools.ts";
import { statusOf } from "./harness/agent.ts";
import { oneOf } from "./harness/choice.ts";
import { fixture, type Fixture } from "./harness/fixture.ts";
import { machine, type MachineOptions } from "./harness/machine.ts";

const CONFIG = "#cloud-config\nhostname: from-the-network\n";
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

/** The machine runs what it was served, knows its config, and is healthy. */
async function servedMachine(made: Fixture, { memory }: Serving, options: MachineOptions): Promise<void> {
  const needed = memory[options.firmware ?? "bios"];
  await using booted = await machine(made, { ...options, ram: "network", memory: needed, online: true });
  const { guest } = booted;
  await guest.ready();
  assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
  const status = await statusOf(guest);
  assert.deepEqual([status.running, status.health.is, status.alarms], ["ram", "healthy", []]);
  assert.equal(await guest.check("cat /run/petrify/machine.yaml; stat -c %a /run/petrify/machine.yaml"), `${CONFIG}600`);
}

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
    // A guest finds this machine's loopback at 10.0.2.2.
    const card = `user,id=boot,bootfile=http://10.0.2.2:${serving.url.port}${serving.url.pathname}`;
    const extra = ["-netdev", card, "-device", `virtio-net-pci,netdev=boot,mac=${MAC},bootindex=1`];
    await servedMachine(made, serving, { extra });
    assert.deepEqual(serving.asked(), [
      ...["/boot.ipxe 200", "/initrd 200", `/machine/${MAC.replaceAll(":", "-")}.cpio 200`, "/vmlinuz 200"],
    ]);
  },
  "UEFI firmware that asks beside the network's own DHCP server": async (made: Fixture, folder: string) => {
    await using net = await rack();
    await using _ = await plainDhcp(net.router);
    const args = ["--dhcp", "proxy", "--interface", "br0", "--live", "--config", "machines"];
    await using serving = await serve(made.image, args, folder, net.server.prefix);
    const card = ["-netdev", "tap,id=boot,ifname=port1,script=no,downscript=no"];
    const extra = [...card, "-device", `virtio-net-pci,netdev=boot,mac=${MAC},bootindex=1,romfile=`];
    await servedMachine(within(net.server, made), serving, { extra, firmware: "uefi" });
    assert.ok(serving.events("dhcp").some(({ what, file }) => what === "sent" && file === "snponly.efi"));
    assert.ok(serving.events("dhcp").some(({ what, mac }) => what === "asked" && mac === MAC));
  },
} as const;

suite("a machine that boots from the network", { concurrency: 1 }, async () => {
  for (const name of oneOf(Object.keys(CASES) as (keyof typeof CASES)[])) {
    const skip = name.startsWith("UEFI") ? await withoutNamespaces() : false;
    test(`${name}, is served the image and its own config, and is healthy`, { skip }, async () => {
      const made = await fixture();
      await using user = await workspace({ [`machines/${MAC}.yaml`]: CONFIG, "machines/default.yaml": "#cloud-config\n" });
      await CASES[name](made, user.folder);
    });
  }
});
