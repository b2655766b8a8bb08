import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import type { LabelledVolume, VolumeContent } from "../host/cloud-volumes.ts";
import type { FolderFile } from "../host/config-sources/config-folder.ts";
import { sha256 } from "../host/sha256.ts";
import { hex } from "../core/digest.ts";
import type { ConfigDocument } from "./config/generation-files.ts";
import { WANTED_FILES } from "./config-sources/readers.ts";
import type { SourceMeans } from "./config-sources/means.ts";
import { findConfig, type FoundConfig } from "./config-sources.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const named = (hostname: string): string => `#cloud-config\nhostname: ${hostname}\n`;
const MACHINE_ID = "0123456789abcdef0123456789abcdef";

interface Fake extends Partial<Omit<SourceMeans, "folder" | "cmdline" | "dmi" | "kept">> {
  readonly files?: Readonly<Record<string, string>>;
  readonly words?: string;
  readonly serial?: string;
  readonly vendor?: string;
  readonly web?: Readonly<Record<string, string | Uint8Array | AppError>>;
  readonly asked?: string[];
  readonly kept?: readonly ConfigDocument[];
}
function means({
  files = {},
  words = "quiet",
  serial = "",
  vendor = "QEMU",
  web = {},
  asked = [],
  kept = [],
  ...rest
}: Fake): SourceMeans {
  return {
    ...{ slot: "a", machineId: MACHINE_ID, kept, hasData: async () => await Promise.resolve(true) },
    folder: async (path) => {
      const found = Object.entries(files).filter(([name]) => name.startsWith(`${path}/`));
      return await Promise.resolve(found.map(([name, text]): FolderFile => ({ path: name, bytes: bytes(text) })));
    },
    medium: async () => await Promise.resolve(undefined),
    volumes: async () => await Promise.resolve([]),
    firmware: async () => await Promise.resolve(undefined),
    dmi: async () => await Promise.resolve({ product_serial: serial, sys_vendor: vendor }),
    cmdline: async () => await Promise.resolve(words),
    fetch: async (url) => {
      asked.push(url);
      const answer = web[url.split("#")[0]!];
      if (answer === undefined) throw new AppError("FETCH_FAILED", `${url.split("?")[0]} cannot be read: down`);
      if (answer instanceof AppError) throw answer;
      return await Promise.resolve(typeof answer === "string" ? bytes(answer) : answer);
    },
    ec2: async () => await Promise.reject(new AppError("FETCH_FAILED", "the metadata service of EC2 cannot be read: down")),
    sha256: (data) => sha256.digest(data),
    ...rest,
  };
}
function volume(
  device: string,
  label: "cidata" | "config-2",
  files: Readonly<Record<string, string | VolumeContent>>,
): LabelledVolume {
  const missing: VolumeContent = { problem: "there is none", isMissing: true };
  const content = (path: string): VolumeContent => {
    const file = files[path] ?? missing;
    return typeof file === "string" ? { bytes: bytes(file) } : file;
  };
  return { device, label, files: Object.fromEntries(WANTED_FILES[label].map((path) => [path, content(path)])) };
}
const volumes = (...all: readonly LabelledVolume[]): Pick<Fake, "volumes"> => ({
  volumes: async () => await Promise.resolve(all),
});
const origins = ({ documents }: FoundConfig): string[] => documents.map(({ origin }) => origin);
const state = ({ sources }: FoundConfig, name: string): string | undefined => sources.find((one) => one.name === name)?.is;
const at = async (fake: Fake, phase: "local" | "network" = "network"): Promise<FoundConfig> =>
  await findConfig(means(fake), phase);
/** What the machine has after it has found this. */
const keeping = (found: FoundConfig): Pick<Fake, "kept"> => ({ kept: found.documents });

suite("the order", () => {
  test("is image, oem, local, medium, NoCloud, config drive, firmware, EC2, command line", async () => {
    const found = await at({
      files: {
        "/usr/local/cloud-config/l.yaml": named("local"),
        "/oem/10.yaml": named("oem-1"),
        "/oem/machine.yaml": named("oem-2"),
        "/usr/lib/petrify/config.d/i.yaml": named("image"),
      },
      medium: async () => await Promise.resolve(bytes(named("medium"))),
      ...volumes(
        volume("/dev/sr1", "config-2", { "openstack/latest/user_data": named("drive") }),
        volume("/dev/sr0", "cidata", {
          "user-data": named("user"),
          "vendor-data": named("vendor"),
          "meta-data": "local-hostname: meta\n",
          "network-config": "version: 2\n",
        }),
      ),
      firmware: async (name) => await Promise.resolve(name === "opt/org.petrify/config" ? bytes(named("firmware")) : undefined),
      vendor: "Amazon EC2",
      ec2: async () => await Promise.resolve({ instance: "i-1", keys: [], userData: bytes(named("ec2")) }),
      words: "petrify.config_url=http://a/c.yaml",
      web: { "http://a/c.yaml": named("cmdline") },
    });
    assert.deepEqual(found.problems, []);
    assert.deepEqual(origins(found), [
      "/usr/lib/petrify/config.d/i.yaml",
      "/oem/10.yaml",
      "/oem/machine.yaml",
      "/usr/local/cloud-config/l.yaml",
      "/run/petrify/machine.yaml",
      "cidata/vendor-data",
      "cidata/meta-data",
      "cidata/network-config",
      "cidata/user-data",
      "config-2/user_data",
      "fw_cfg/opt/org.petrify/config",
      "ec2/meta-data",
      "ec2/user-data",
      "http://a/c.yaml",
    ]);
    assert.equal(found.instance, "i-1");
    assert.equal(found.waitsForNetwork, false);
  });

  test("nothing anywhere is no config, and the machine is itself", async () => {
    const found = await at({});
    assert.deepEqual(origins(found), []);
    assert.deepEqual(found.problems, []);
    assert.equal(found.instance, MACHINE_ID);
    assert.ok(found.sources.every(({ is }) => is === "none"));
  });

  test("recovery looks nowhere", async () => {
    const found = await at({ slot: "recovery", files: { "/oem/a.yaml": named("a") } });
    assert.deepEqual([origins(found), found.sources], [[], []]);
  });
});

suite("what cannot be used", () => {
  test("is left out with its reason, and the rest counts", async () => {
    const found = await at({
      files: { "/oem/a.yaml": "hunter2", "/oem/b.yaml": named("b"), "/oem/c.yaml": "" },
      firmware: async (name) => await Promise.resolve(name === "opt/com.coreos/config" ? bytes("{}") : undefined),
      words: "petrify.config_url=ftp://hunter2/",
    });
    assert.deepEqual(origins(found), ["/oem/b.yaml"]);
    assert.match(
      found.problems.join("\n"),
      /^\/oem\/a\.yaml:1:1: is no machine config.*\nfw_cfg\/opt\/com\.coreos\/config is Ignition's.*\npetrify\.config_url .*malformed|not read/,
    );
    assert.doesNotMatch(JSON.stringify(found), /hunter2/);
    assert.equal(state(found, "cmdline"), "unusable");
  });

  test("of two volumes with the label the first counts, and the other is named", async () => {
    const found = await at(
      volumes(
        volume("/dev/sdb", "cidata", { "user-data": named("b") }),
        volume("/dev/sr0", "cidata", { "user-data": named("r") }),
      ),
    );
    assert.equal(found.documents[0]!.text, named("b"));
    assert.match(found.problems[0]!, /^\/dev\/sr0: not read, \/dev\/sdb is labelled cidata, too/);
  });

  test("a volume with nothing on it, or with a file that cannot be read, says so", async () => {
    const empty = await at(volumes(volume("/dev/sdb", "cidata", {})));
    assert.match(empty.problems[0]!, /^\/dev\/sdb is labelled cidata, and has no user-data/);
    const problem = "its user-data ends too early";
    const cut = await at(volumes(volume("/dev/sdb", "cidata", { "user-data": { problem, isMissing: false } })));
    assert.deepEqual([origins(cut), cut.problems], [[], [`cidata/user-data: ${problem}`]]);
  });

  test("too many documents are not taken", async () => {
    const files = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`/oem/${1000 + index}.yaml`, named("a")]));
    const found = await at({ files });
    assert.equal(found.documents.length, 200);
    assert.match(found.problems[0]!, /too many: 100/);
    const large = `#cloud-config\n#${"x".repeat(1024 * 1000)}\n`;
    const heavy = await at({
      files: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`/oem/${10 + index}.yaml`, large])),
    });
    assert.equal(heavy.documents.length, 8);
  });
});

suite("config_url", () => {
  const chain = (url: string, hostname = "x"): string => `${named(hostname)}config_url: ${url}\n`;

  test("is read after the document that names it, and before what comes after that", async () => {
    const found = await at({
      files: { "/oem/a.yaml": chain("http://a/1"), "/oem/b.yaml": named("b") },
      web: { "http://a/1": chain("http://a/2"), "http://a/2": named("2") },
    });
    assert.deepEqual(origins(found), ["/oem/a.yaml", "http://a/1", "http://a/2", "/oem/b.yaml"]);
  });

  test("documents that name each other are read once each", async () => {
    const asked: string[] = [];
    const web = { "http://a/1": chain("http://a/2"), "http://a/2": chain("http://a/1") };
    const found = await at({ files: { "/oem/a.yaml": chain("http://a/1") }, web, asked });
    assert.deepEqual(asked, ["http://a/1", "http://a/2"]);
    assert.deepEqual(found.problems, ["http://a/2: config_url names a document that led here"]);
  });

  test("is followed five times, and no further", async () => {
    const web = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`http://a/${index}`, chain(`http://a/${index + 1}`)]),
    );
    const asked: string[] = [];
    const found = await at({ files: { "/oem/a.yaml": chain("http://a/0") }, web, asked });
    assert.equal(asked.length, 5);
    assert.match(found.problems[0]!, /followed 5 times/);
  });

  test("of many documents is asked a limited number of times", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`/oem/${10 + index}.yaml`, chain(`http://a/${index}`)]),
    );
    const asked: string[] = [];
    const found = await at({ files, asked });
    assert.equal(asked.length, 20);
    assert.match(found.problems.at(-1)!, /more than 20 documents of the web/);
  });

  test("that has never answered is asked again later, unless its answer is refused", async () => {
    const words = "petrify.config_url=http://a/c";
    assert.equal((await at({ words })).waitsForNetwork, true);
    const refused = await at({ words, web: { "http://a/c": new AppError("FETCH_MISMATCH", "another file") } });
    assert.deepEqual([refused.waitsForNetwork, state(refused, "cmdline")], [false, "unusable"]);
  });

  test("without the network is waited for", async () => {
    const asked: string[] = [];
    const fake = { files: { "/oem/a.yaml": chain("http://a/1") }, web: { "http://a/1": named("1") }, asked };
    const found = await at(fake, "local");
    assert.deepEqual([asked, origins(found), found.waitsForNetwork], [[], ["/oem/a.yaml"], true]);
    assert.equal(found.instance, MACHINE_ID, "no such document says which instance it is");
  });
});

suite("what was said the last time", () => {
  const words = "petrify.config_url=http://a/c?token=hunter2";
  const web = { "http://a/c?token=hunter2": named("c") };

  test("counts where a server does not answer, or answers with what is no config, and where nobody may ask", async () => {
    const before = await at({ words, web });
    assert.doesNotMatch(JSON.stringify(before), /hunter2/);
    for (const [phase, answer] of [
      ["network", {}],
      ["network", { "http://a/c?token=hunter2": "<html>log in</html>" }],
      ["network", { "http://a/c?token=hunter2": Uint8Array.of(0xff) }],
      ["local", web],
    ] as const) {
      const found = await at({ words, web: answer, ...keeping(before) }, phase);
      assert.deepEqual(found.documents, before.documents);
      assert.equal(state(found, "cmdline"), "kept");
      assert.equal(found.waitsForNetwork, phase === "local");
      assert.equal(found.problems.length, phase === "local" ? 0 : 1);
      assert.doesNotMatch(JSON.stringify(found), /hunter2/);
    }
  });

  test("is forgotten with what named it, and when there is something new", async () => {
    const before = await at({ words, web });
    assert.deepEqual(origins(await at({ ...keeping(before) })), []);
    const newer = await at({ words, web: { "http://a/c?token=hunter2": named("d") }, ...keeping(before) });
    assert.deepEqual(
      newer.documents.map(({ text }) => text),
      [named("d")],
    );
    assert.equal(state(newer, "cmdline"), "found");
  });

  test("with a checksum that it has, nobody has to be asked", async () => {
    const url = `http://a/c#sha256=${hex(sha256.digest(bytes(named("c"))))}`;
    const asked: string[] = [];
    const fake = { words: `config_url=${url}`, web: { "http://a/c": named("c") }, asked };
    const before = await at(fake);
    for (const phase of ["local", "network"] as const) {
      const found = await at({ ...fake, ...keeping(before) }, phase);
      assert.deepEqual([found.documents, found.waitsForNetwork], [before.documents, false]);
    }
    assert.equal(asked.length, 1);
    const other = await at({ ...fake, words: `config_url=http://a/c#sha256=${"0".repeat(64)}`, ...keeping(before) });
    assert.equal(asked.length, 2, "another checksum is asked for");
    assert.equal(other.documents.length, 1);
  });

  test("counts where a volume or a file of the firmware is gone, instance and all", async () => {
    const before = await at({
      ...volumes(
        volume("/dev/sr0", "cidata", { "user-data": named("user"), "meta-data": "instance-id: iid-1\n" }),
        volume("/dev/sr1", "config-2", { "openstack/latest/meta_data.json": '{"hostname": "drive"}' }),
      ),
      firmware: async (name) => await Promise.resolve(name.includes("petrify") ? bytes(named("firmware")) : undefined),
    });
    const found = await at(keeping(before));
    assert.deepEqual(found.documents, before.documents);
    assert.deepEqual(
      ["nocloud", "config-drive", "fw-cfg"].map((name) => state(found, name)),
      ["kept", "kept", "kept"],
    );
    assert.equal(found.instance, "iid-1");
    assert.deepEqual(found.problems, []);
  });

  test("does not count where there is a new volume that says less", async () => {
    const before = await at(
      volumes(volume("/dev/sr0", "cidata", { "user-data": named("user"), "vendor-data": named("vendor") })),
    );
    const found = await at({ ...volumes(volume("/dev/sr0", "cidata", { "user-data": named("other") })), ...keeping(before) });
    assert.deepEqual(found.documents, [{ origin: "cidata/user-data", text: named("other") }]);
  });

  test("counts of a file of the data partition where that is not there", async () => {
    const before = await at({ files: { "/usr/local/cloud-config/a.yaml": named("a") } });
    const found = await at({ hasData: async () => await Promise.resolve(false), ...keeping(before) });
    assert.deepEqual([found.documents, state(found, "local")], [before.documents, "kept"]);
  });

  test("does not count of a file of the machine's own", async () => {
    const before = await at({ files: { "/oem/a.yaml": named("a") } });
    assert.deepEqual(origins(await at(keeping(before))), []);
    assert.deepEqual(origins(await at({ files: { "/oem/a.yaml": "broken" }, ...keeping(before) })), []);
  });
});

suite("NoCloud over the network", () => {
  const web = { "http://s/user-data": named("user"), "http://s/meta-data": "instance-id: iid-1\n" };
  const fake = { words: '"ds=nocloud;s=http://s/"', web };

  test("is read from the folder that the command line or the serial number names", async () => {
    for (const one of [fake, { serial: "ds=nocloud-net;s=http://s", web }]) {
      const found = await at(one);
      assert.deepEqual(origins(found), ["http://s/meta-data", "http://s/user-data"]);
      assert.equal(found.instance, "iid-1");
    }
  });

  test("is not known before the network is there, nor which instance it is", async () => {
    const found = await at(fake, "local");
    assert.deepEqual([found.waitsForNetwork, found.instance, state(found, "nocloud")], [true, undefined, "awaited"]);
    const later = await at({ ...fake, ...keeping(await at(fake)) }, "local");
    assert.deepEqual([later.waitsForNetwork, later.instance, state(later, "nocloud")], [true, "iid-1", "kept"]);
  });

  test("needs none for what stands in the word itself", async () => {
    const found = await at({ words: "ds=nocloud;h=web-1.example;i=iid-9" }, "local");
    assert.deepEqual([origins(found), found.instance, found.waitsForNetwork], [["nocloud/meta-data"], "iid-9", false]);
  });
});

suite("EC2", () => {
  const ec2 = async () =>
    await Promise.resolve({ instance: "i-1", hostname: "ip-1.ec2.internal", keys: [], userData: bytes(named("u")) });

  test("is asked where the firmware or the command line says so, and nowhere else", async () => {
    assert.equal((await at({ vendor: "Amazon EC2", ec2 })).instance, "i-1");
    assert.equal((await at({ words: "ds=ec2", ec2 })).instance, "i-1");
    const other = await at({ ec2 });
    assert.deepEqual([other.instance, state(other, "ec2")], [MACHINE_ID, "none"]);
  });

  test("that does not answer takes nothing from the machine", async () => {
    const before = await at({ vendor: "Amazon EC2", ec2 });
    const found = await at({ vendor: "Amazon EC2", ...keeping(before) });
    assert.deepEqual([found.documents, found.instance], [before.documents, "i-1"]);
    assert.match(found.problems[0]!, /metadata service of EC2 cannot be read/);
  });

  test("that has never answered is not passed over: which machine this is, is not known", async () => {
    for (const phase of ["local", "network"] as const) {
      const found = await at({ vendor: "Amazon EC2" }, phase);
      assert.deepEqual([found.instance, found.waitsForNetwork, state(found, "ec2")], [undefined, true, "awaited"]);
    }
  });

  test("user data that is refused is told, and the rest counts", async () => {
    const found = await at({
      vendor: "Amazon EC2",
      ec2: async () => ({ ...(await ec2()), userData: Uint8Array.of(0x1f, 0x8b) }),
    });
    assert.deepEqual(origins(found), ["ec2/meta-data"]);
    assert.match(found.problems[0]!, /^ec2\/user-data:1:1: is compressed/);
  });
});
