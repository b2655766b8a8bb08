import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checksumsOf, CHECKSUMS } from "../../host/checksum.ts";
import { MiB } from "../../core/units.ts";
import { NETBOOT_FILES } from "../../layout/netboot.ts";
import { runForTest, type Ran } from "../testing.ts";

const CMDLINE = `petrify.roothash=${"0".repeat(64)} console=ttyS0 petrify.slot=ram petrify.size=1000 petrify.memory=${512 * MiB}`;
const CONFIG = "#cloud-config\ninstall: { device: auto }\n";

/** A folder with `os.netboot`, as a build writes it, with files of noise. */
async function desk(cmdline = CMDLINE) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-netboot-"));
  const netboot = join(folder.path, "os.netboot");
  await mkdir(netboot);
  const files = { vmlinuz: "kernel", initrd: "i".repeat(9 * MiB), cmdline: `${cmdline}\n`, "boot.ipxe": "#!ipxe\n" };
  for (const [name, text] of Object.entries(files)) await writeFile(join(netboot, name), text);
  await writeFile(join(netboot, CHECKSUMS), await checksumsOf(netboot, Object.values(NETBOOT_FILES)));
  return { ...folder, folder: folder.path, netboot };
}

/** Serves on a free port of loopback, runs `body` with the URL, then ends it as Ctrl-C does. */
async function serving(
  cwd: string,
  args: readonly string[],
  body: (url: string, event: Record<string, unknown>) => Promise<void>,
): Promise<Ran> {
  const stop = new AbortController();
  const ready = Promise.withResolvers<Record<string, unknown>>();
  const ran = runForTest(["serve", "netboot", "os.netboot", "--listen", "127.0.0.1:0", "--json", ...args], {
    ...{ cwd, signal: stop.signal },
    onOut: (text) => {
      for (const line of text.split("\n").filter((each) => each.includes('"serving"'))) ready.resolve(JSON.parse(line));
    },
  });
  const event = await Promise.race([
    ready.promise,
    ran.then(({ out, err }) => {
      throw new Error(`it ended: ${out}${err}`);
    }),
  ]);
  try {
    await body((event["urls"] as string[])[0]!, event);
  } finally {
    stop.abort();
  }
  return await ran;
}

const scriptOf = async (url: string): Promise<string> => await (await fetch(url)).text();
const events = ({ out }: Ran): Record<string, unknown>[] =>
  out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("a build's folder is served, with the words that make an installer of it; Ctrl-C ends it well", async () => {
  await using at = await desk();
  const ran = await serving(at.folder, [], async (url) => {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/boot\.ipxe$/);
    assert.match(await scriptOf(url), new RegExp(`^kernel vmlinuz initrd=initrd ${CMDLINE} petrify.installer$`, "m"));
    assert.equal(await (await fetch(new URL("vmlinuz", url))).text(), "kernel");
    assert.equal((await (await fetch(new URL("initrd", url))).arrayBuffer()).byteLength, 9 * MiB);
    for (const name of ["cmdline", "SHA256SUMS", "machine/default.cpio"])
      assert.equal((await fetch(new URL(name, url))).status, 404, name);
  });
  assert.equal(ran.exitCode, 0, ran.out);
  const requests = events(ran).filter(({ type }) => type === "request");
  assert.deepEqual(
    requests
      .slice(0, 3)
      .map(({ client, method, path, status, bytes, whole }) => [client, method, path, status, typeof bytes, whole]),
    ["/boot.ipxe", "/vmlinuz", "/initrd"].map((path) => ["127.0.0.1", "GET", path, 200, "number", true]),
  );
  assert.deepEqual(events(ran).at(-1), {
    type: "result",
    value: { requests: 6, clients: 1, bytes: 9 * MiB + 6 + (requests[0]!["bytes"] as number) },
  });
});

test("how to install is said on the kernel's command line", async () => {
  await using at = await desk();
  const args = ["--install", "size:>=100G", "--wipe", "--after", "poweroff", "--arg", "quiet", "--arg", "console=ttyS1"];
  await serving(at.folder, args, async (url) => {
    const words = `petrify.installer petrify.install.device=size:>=100G petrify.install.wipe petrify.install.after=poweroff quiet console=ttyS1`;
    assert.ok((await scriptOf(url)).includes(`${CMDLINE} ${words}\nboot\n`));
  });
});

test("a system that only runs is no installer", async () => {
  await using at = await desk();
  await serving(at.folder, ["--live"], async (url) => assert.doesNotMatch(await scriptOf(url), /petrify\.install/));
});

test("a machine config is served for every machine, or one for each", async () => {
  await using at = await desk();
  await writeFile(join(at.folder, "one.yaml"), CONFIG);
  await mkdir(join(at.folder, "machines"));
  await writeFile(join(at.folder, "machines/52:54:00:AB:CD:EF.yaml"), `${CONFIG}# its own\n`);
  await serving(at.folder, ["--config", "one.yaml"], async (url, { machines, installs }) => {
    assert.deepEqual(machines, ["default"]);
    assert.deepEqual(installs, [{ machine: "every machine", device: "auto", wipe: false }]);
    assert.match(await (await fetch(new URL("machine/default.cpio", url))).text(), /machine\.yaml\0+#cloud-config\ninstall/);
  });
  await serving(at.folder, ["--config", "machines"], async (url) => {
    assert.match(await scriptOf(url), /^iseq \$\{mac:hexhyp\} 52-54-00-ab-cd-ef && /m);
    assert.match(await (await fetch(new URL("machine/52-54-00-ab-cd-ef.cpio", url))).text(), /# its own/);
    assert.equal((await fetch(new URL("machine/default.cpio", url))).status, 404);
  });
});

test("what is said of installations is what machines will do: the command line first, then their own config", async () => {
  await using at = await desk();
  await mkdir(join(at.folder, "machines"));
  await writeFile(
    join(at.folder, "machines/52-54-00-12-34-56.yaml"),
    "#cloud-config\ninstall: { device: /dev/sda, wipe: true }\n",
  );
  const own = { machine: "52-54-00-12-34-56", device: "/dev/sda", wipe: true };
  const config = ["--config", "machines"];
  await serving(at.folder, config, async (_, { installs }) => assert.deepEqual(installs, [own]));
  await serving(at.folder, [...config, "--install", "auto"], async (_, { installs }) =>
    assert.deepEqual(installs, [
      { ...own, device: "auto" },
      { machine: "every other machine", device: "auto", wipe: false },
    ]),
  );
});

test("what a machine config says is in no output", async () => {
  await using at = await desk();
  await writeFile(join(at.folder, "one.yaml"), `${CONFIG}password: hunter2\n`);
  const ran = await serving(at.folder, ["--config", "one.yaml"], async (url) => {
    await (await fetch(new URL("machine/default.cpio", url))).arrayBuffer();
  });
  assert.doesNotMatch(ran.out + ran.err, /hunter2/);
});

test("for people, a line tells of each request, and none lets a client write to the terminal", async () => {
  await using at = await desk();
  const stop = new AbortController();
  const url = Promise.withResolvers<string>();
  const ran = runForTest(["serve", "netboot", "os.netboot", "--listen", "127.0.0.1:0", "--install", "auto", "--wipe"], {
    ...{ cwd: at.folder, signal: stop.signal },
    onErr: (text) => {
      const found = /chain (\S+)/.exec(text)?.[1];
      if (found) url.resolve(found);
    },
  });
  const at0 = await url.promise;
  await fetch(new URL("/a%1b%5b2Jb", at0));
  await (await fetch(new URL("initrd", at0))).arrayBuffer();
  stop.abort();
  const { exitCode, out, err } = await ran;
  assert.equal(exitCode, 0);
  assert.match(err, /^serving os\.netboot: kernel 6 B, initrd 9 MiB$/m);
  assert.match(err, /^for machines with 512 MiB of memory or more, with UEFI 576 MiB$/m);
  assert.match(err, /^installs by itself: every machine, to auto, OVER ANY DATA there$/m);
  assert.match(err, /^127\.0\.0\.1 GET \/a\?\[2Jb: 404$/m);
  assert.match(err, /^✓ 127\.0\.0\.1 GET \/initrd \(9 MiB\)/m);
  assert.match(out, /^served 1 machine: 2 requests, 9 MiB\n$/);
  // eslint-disable-next-line no-control-regex -- it is what is looked for
  assert.doesNotMatch(err, /\x1b/);
});

for (const [says, prepare, args, code] of [
  ["a folder without a kernel", async (path: string) => await rm(join(path, "os.netboot/vmlinuz")), [], "NETBOOT_INVALID"],
  [
    "a file that was copied in part",
    async (path: string) => await writeFile(join(path, "os.netboot/initrd"), "i"),
    [],
    "CHECKSUM_WRONG",
  ],
  [
    "an empty folder of configs",
    async (path: string) => await mkdir(join(path, "x")),
    ["--config", "x"],
    "MACHINE_CONFIG_INVALID",
  ],
  [
    "a config of no machine",
    async (path: string) => {
      await mkdir(join(path, "x"));
      await writeFile(join(path, "x/web.yaml"), CONFIG);
    },
    ["--config", "x"],
    "MACHINE_CONFIG_INVALID",
  ],
  [
    "two configs of one machine",
    async (path: string) => {
      await mkdir(join(path, "x"));
      for (const name of ["52-54-00-12-34-56", "52:54:00:12:34:56"]) await writeFile(join(path, `x/${name}.yaml`), CONFIG);
    },
    ["--config", "x"],
    "MACHINE_CONFIG_INVALID",
  ],
  [
    "what is no config",
    async (path: string) => await writeFile(join(path, "x"), "a: b"),
    ["--config", "x"],
    "MACHINE_CONFIG_INVALID",
  ],
  [
    "a config with a disk that nobody can mean",
    async (path: string) => await writeFile(join(path, "x"), "#cloud-config\ninstall: { device: 'size:big' }"),
    ["--config", "x"],
    "DEVICE_NAME_INVALID",
  ],
  [
    "a config that installs, where nothing is to be installed",
    async (path: string) => await writeFile(join(path, "x"), CONFIG),
    ["--config", "x", "--live"],
    "INSTALL_UNWANTED",
  ],
  ["a disk that nobody can mean", async () => {}, ["--install", "size:big"], "DEVICE_NAME_INVALID"],
  ["a config that is not there", async () => {}, ["--config", "x"], "FILE_UNREADABLE"],
  ["--wipe with nothing to install", async () => {}, ["--wipe"], "USAGE"],
  ["--live and an installation", async () => {}, ["--live", "--install", "auto"], "USAGE"],
  ["a word that iPXE would read", async () => {}, ["--arg", "a=${mac}"], "USAGE"],
  ["a device that is two words", async () => {}, ["--install", "auto quiet"], "KERNEL_WORD_INVALID"],
  ["a DHCP server on loopback", async () => {}, ["--dhcp", "proxy"], "DHCP_NEEDS_NETWORK"],
  ["a range without a DHCP server", async () => {}, ["--range", "192.0.2.1-192.0.2.9"], "USAGE"],
] as const) {
  test(`${says} is refused before anything is served`, async () => {
    await using at = await desk();
    await prepare(at.folder);
    const all = ["serve", "netboot", "os.netboot", "--listen", "127.0.0.1:0", "--json", ...args];
    const ran = await runForTest(all, { cwd: at.folder, signal: AbortSignal.timeout(60_000) });
    assert.deepEqual([events(ran).at(-1)!["code"], /"serving"/.test(ran.out)], [code, false], ran.out);
  });
}

for (const [says, cmdline] of [
  [
    "of a system on a disk",
    `petrify.roothash=${"0".repeat(64)} petrify.slot=a petrify.disk=00000000-0000-4000-8000-000000000000 petrify.file=/a.img`,
  ],
  ["with what iPXE reads", `${CMDLINE} a=\${mac}`],
  ["of two lines", `${CMDLINE}\nboot`],
] as const) {
  test(`a command line ${says} is refused`, async () => {
    await using at = await desk(cmdline);
    const ran = await runForTest(["serve", "netboot", "os.netboot", "--listen", "127.0.0.1:0", "--json"], { cwd: at.folder });
    assert.equal(events(ran).at(-1)!["code"], "NETBOOT_INVALID", ran.out);
  });
}

test("what is no folder and no image is refused by what it is", async () => {
  await using at = await desk();
  for (const [path, code] of [
    ["missing", "FILE_UNREADABLE"],
    ["os.netboot/vmlinuz", "NOT_BOOTABLE"],
  ] as const) {
    const ran = await runForTest(["serve", "netboot", path, "--json"], { cwd: at.folder });
    assert.equal(events(ran).at(-1)!["code"], code, ran.out);
  }
  assert.equal(await readFile(join(at.netboot, "vmlinuz"), "utf8"), "kernel");
});
