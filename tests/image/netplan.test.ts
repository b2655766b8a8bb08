import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { parse, stringify } from "yaml";
import { renderNetworkManager } from "../../src/config/network/network-manager.ts";
import { parseNetwork } from "../../src/config/network/network-section.ts";
import { renderNetworkd } from "../../src/config/network/networkd.ts";
import type { RenderedFile } from "../../src/config/network/rendered.ts";
import { byName, keyfileSections, networkdSections, supplicantBlocks, type Sections } from "../support/network-files.ts";
import { NETWORKS, REFUSED_EXAMPLES } from "../support/networks.ts";
import { testTools } from "../support/tools.ts";

const tools = await testTools("config");
const folder = await mkdtemp(join(tmpdir(), "petrify-netplan-"));
after(async () => await rm(folder, { recursive: true, force: true }));

type Renderer = "networkd" | "NetworkManager";

interface Case {
  readonly name: string;
  readonly network: object;
  readonly renderer: Renderer;
}
const EXAMPLES = join(tools.root, "usr/share/doc/netplan/examples");
const examples = await Promise.all(
  (await readdir(EXAMPLES))
    .filter((file) => file.endsWith(".yaml"))
    .map(async (file) => {
      const { network } = parse(await readFile(join(EXAMPLES, file), "utf8")) as { readonly network: object };
      return { name: file, network: { version: 2, ...network } };
    }),
);
const cases: readonly Case[] = [
  ...Object.entries(NETWORKS).flatMap(([name, { yaml, only }]) =>
    (["networkd", "NetworkManager"] as const)
      .filter((renderer) => only === undefined || only === renderer)
      .map((renderer) => ({ name, network: { version: 2, ...(parse(yaml) as object) }, renderer })),
  ),
  ...examples
    .filter(({ name }) => !Object.hasOwn(REFUSED_EXAMPLES, name))
    .map((example) => ({ ...example, renderer: "networkd" as const })),
];
const rootOf = (one: Case): string => join(folder, String(cases.indexOf(one)));

// All of them in one run: to start the sandbox takes longer than a hundred of netplan's.
for (const one of cases) {
  await mkdir(join(rootOf(one), "etc/netplan"), { recursive: true });
  await writeFile(join(rootOf(one), "etc/netplan/a.yaml"), stringify({ network: { ...one.network, renderer: one.renderer } }), {
    mode: 0o600,
  });
}
await tools.run(["xargs", "-n", "1", "/usr/libexec/netplan/generate", "--root-dir"], {
  ...{ stdin: cases.map((one) => `${rootOf(one)}\n`).join(""), binds: [{ source: folder, writable: true }] },
  okExit: [0, 123], // of one that fails the files are missing
});

/** What netplan made of a description. */
async function netplan(one: Case): Promise<RenderedFile[]> {
  const files = await readdir(join(rootOf(one), "run"), { recursive: true, withFileTypes: true });
  return await Promise.all(
    files
      .filter((file) => file.isFile())
      .map(async (file) => {
        const path = join(file.parentPath, file.name);
        return { path, mode: 0o644, text: await readFile(path, "utf8") };
      }),
  );
}

/** The files of a renderer; others (units, rules of udev) are made in another way here. */
const compared: Readonly<Record<Renderer, (text: string, path: string) => Sections | undefined>> = {
  networkd: (text, path) => {
    if (/\.(?:network|netdev|link)$/.test(path)) return networkdSections(text);
    return /\/^wpa[-_].*\.conf$/.test(basename(path)) ? supplicantBlocks(text) : undefined;
  },
  NetworkManager: (text, path) => {
    if (path.endsWith(".link")) return networkdSections(text);
    return path.endsWith(".nmconnection") ? keyfileSections(text) : undefined;
  },
};
const RENDER = { networkd: renderNetworkd, NetworkManager: renderNetworkManager };

async function sameAsNetplan(one: Case): Promise<void> {
  const { network, renderer } = one;
  const parsed = parseNetwork(network);
  assert.ok("config" in parsed, `refused: ${JSON.stringify("problems" in parsed && parsed.problems)}`);
  const { files, unsupported } = RENDER[renderer](parsed.config);
  assert.deepEqual(unsupported, []);
  const judged = byName(await netplan(one), compared[renderer]);
  assert.ok(Object.keys(judged).length > 0 || files.length === 0, "netplan wrote nothing");
  assert.deepEqual(byName(withSsid(files, network), compared[renderer]), judged);
}

/** Netplan names a file by the wireless network, which need not be a name of a file. */
function withSsid(files: readonly RenderedFile[], network: object): RenderedFile[] {
  const { wifis = {} } = network as { readonly wifis?: Record<string, { "access-points": object }> };
  return files.map((file) => {
    const [, id = "", number] = /petrify-(.+)-(\d+)\.nmconnection$/.exec(file.path) ?? [];
    const ssid = wifis[id] && Object.keys(wifis[id]["access-points"])[Number(number) - 1];
    return ssid === undefined ? file : { ...file, path: `petrify-${id}-${encodeURIComponent(ssid)}.nmconnection` };
  });
}

for (const one of cases)
  test(`${one.name}: what ${one.renderer} is told is what netplan tells it`, async () => {
    await sameAsNetplan(one);
  });

for (const [file, refusal] of Object.entries(REFUSED_EXAMPLES))
  test(`netplan's example ${file} is refused`, () => {
    const parsed = parseNetwork(examples.find(({ name }) => name === file)?.network);
    assert.ok("problems" in parsed, "it is taken");
    assert.match(parsed.problems.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"), refusal);
  });

test("netplan's examples are there", () => {
  assert.ok(examples.length > 25);
});
