import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { run } from "../../src/host/run.ts";
import { petrify, workspace, type CliRun } from "../support/cli.ts";
import type { DhcpAnswer, DhcpQuestion } from "../support/dhcp-client.ts";
import { networkNamespace, withoutNamespaces } from "../support/namespace.ts";

const SERVER = "192.0.2.2";
const MACHINE = "192.0.2.9";
const CLIENT = join(import.meta.dirname, "../support/dhcp-client.ts");
const OFFER = 2;
const IPXE = { bios: "undionly.kpxe", uefi: "snponly.efi", script: `http://${SERVER}:8080/boot.ipxe` } as const;

/** A cable between the machine that serves and one that boots. */
async function network() {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await networkNamespace());
  const machine = cleanup.use(await networkNamespace());
  await server.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", String(machine.pid));
  await server.ip("address", "add", `${SERVER}/24`, "dev", "eth0");
  await machine.ip("address", "add", `${MACHINE}/24`, "dev", "eth0");
  for (const one of [server, machine]) await one.ip("link", "set", "eth0", "up");
  await machine.ip("route", "add", "255.255.255.255/32", "dev", "eth0");
  const scope = cleanup.move();
  return { server, machine, [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

type Network = Awaited<ReturnType<typeof network>>;

const FILES = {
  "os.netboot/vmlinuz": "kernel",
  "os.netboot/initrd": "initrd",
  "os.netboot/cmdline": `petrify.roothash=${"0".repeat(64)} petrify.slot=ram petrify.size=1\n`,
} as const;
const SERVE = ["serve", "netboot", "os.netboot", "--interface", "eth0", "--json"] as const;
const options = (net: Network, cwd: string) => ({ cwd, prefix: net.server.prefix, limitMs: 60_000 });

/** Serves while `body` runs, then ends it as Ctrl-C does. */
async function serving<T>(
  net: Network,
  cwd: string,
  args: readonly string[],
  body: () => Promise<T>,
): Promise<{ value: T; ran: CliRun }> {
  const value = Promise.withResolvers<T>();
  const ran = await petrify([...SERVE, ...args], {
    ...options(net, cwd),
    onEvent: (event, interrupt) => {
      if (event.type === "serving") value.resolve(body().finally(() => interrupt()));
    },
  });
  assert.equal(ran.exitCode, 0, ran.stdout + ran.stderr);
  return { value: await value.promise, ran };
}

async function ask(net: Network, questions: readonly DhcpQuestion[]): Promise<readonly (DhcpAnswer | null)[]> {
  const words = questions.map((question) => JSON.stringify(question));
  const { stdout } = await run([...net.machine.prefix, process.execPath, CLIENT, MACHINE, ...words], { timeoutMs: 60_000 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as DhcpAnswer | null);
}

/** Ports that somebody listens on, of UDP. Source: proc_net_udp(5) */
async function udpPorts(net: Network): Promise<number[]> {
  const { stdout } = await run([...net.server.prefix, "cat", "/proc/net/udp"]);
  return stdout
    .split("\n")
    .slice(1)
    .flatMap((line) => Number.parseInt(/^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4})/.exec(line)?.[1] ?? "", 16) || []);
}

suite("machines find what to boot by DHCP", { skip: await withoutNamespaces(), concurrency: 1, timeout: 120_000 }, () => {
  test("beside another server: nobody gets an address, each firmware its iPXE, iPXE the script; nothing is left", async () => {
    await using user = await workspace(FILES);
    await using net = await network();
    const cases: readonly (readonly [DhcpQuestion, file: string | null])[] = [
      [{ arch: 0 }, ""], // a menu is offered, and its item asked for
      [{ arch: 0, item: 0x8000 }, IPXE.bios],
      [{ arch: 7, item: 0 }, IPXE.uefi], // UEFI does not say which item
      [{ arch: 9, item: 0 }, IPXE.uefi],
      [{ arch: 0, ipxe: true }, IPXE.script],
      [{ arch: 11 }, null], // 64-bit ARM
      [{ arch: 7, ipxe: true }, IPXE.script],
    ];
    const { value, ran } = await serving(net, user.folder, ["--dhcp", "proxy"], async () => {
      const answers = await ask(
        net,
        cases.map(([question]) => question),
      );
      const second = await petrify([...SERVE, "--dhcp", "proxy", "--listen", "8081"], options(net, user.folder));
      return { answers, second };
    });
    assert.deepEqual(
      value.answers.map((answer) => answer && answer.file),
      cases.map(([, file]) => file),
    );
    assert.deepEqual(value.answers[0]?.menu, [0x8000]);
    for (const answer of value.answers) assert.ok(answer?.type !== OFFER || answer.address === "0.0.0.0", JSON.stringify(answer));
    assert.ok(ran.events.some((event) => event.type === "dhcp" && event["mac"] === "52:54:00:12:34:01"));
    assert.match(value.second.stdout, /"code":"DHCP_PORT_IN_USE"/);
    assert.deepEqual(await udpPorts(net), []);
  });

  test("as the only server: addresses of the range, no way out, and the same files", async () => {
    await using user = await workspace(FILES);
    await using net = await network();
    const range = ["--dhcp", "full", "--range", "192.0.2.100-192.0.2.110"];
    const questions = [{ arch: 7 }, { arch: 7, ipxe: true }]; // each takes it 3 seconds, to see that the address is free
    const { value: answers } = await serving(net, user.folder, range, async () => await ask(net, questions));
    assert.deepEqual(
      answers.map((answer) => answer?.file),
      [IPXE.uefi, IPXE.script],
    );
    for (const answer of answers) {
      assert.match(answer?.address ?? "", /^192\.0\.2\.1(0\d|10)$/);
      assert.deepEqual(
        answer?.options.filter((option) => option === 3 || option === 6),
        [],
      ); // router, name server
    }
  });

  test("the DHCP server ends with a process that is killed", async () => {
    await using user = await workspace(FILES);
    await using net = await network();
    const ran = await petrify([...SERVE, "--dhcp", "proxy"], {
      ...options(net, user.folder),
      onEvent: (event, interrupt) => {
        if (event.type === "serving") interrupt("SIGKILL");
      },
    });
    assert.equal(ran.exitCode, null);
    while ((await udpPorts(net)).length > 0) await setTimeout(20);
  });
});
