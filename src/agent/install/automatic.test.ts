import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { AppError } from "../../core/error.ts";
import type { CloudVolume } from "../../host/cloud-volumes.ts";
import type { FlashTarget } from "../../layout/flash-target.ts";
import type { InstallDisk, InstallRequest } from "../../layout/install.ts";
import { openAutomatic, type AutomaticPorts } from "./automatic.ts";
import type { AutomaticStatus } from "./wanted.ts";

const CONFIG = "#cloud-config\ninstall: { device: auto }\n";
const OTHER = "#cloud-config\ninstall: { device: /dev/sdb, wipe: true, after: poweroff }\n";
const MEDIUM = "0123456789abcdef0123456789abcdef";
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

const target = (path: string): FlashTarget => ({
  ...{ path, kind: "disk", size: 10e9, sectorSize: 512, readOnly: false, removable: false, mounts: [], holders: [] },
  ...{ loops: [], isBusy: false, isAllowed: true, found: [] },
});
const disk = (path: string, installedFrom?: string): InstallDisk => ({
  target: target(path),
  refusals: [],
  ...(installedFrom === undefined ? {} : { installedFrom }),
});

interface Given {
  readonly cmdline?: string;
  readonly brought?: string;
  readonly volumes?: readonly CloudVolume[];
  readonly disks?: readonly InstallDisk[];
  /** Answers of the web, one after the other; the last one stays. */
  readonly web?: readonly (string | AppError)[];
  /** What speaks against it, one try after the other. */
  readonly refused?: readonly (AppError | undefined)[];
  /** Changes what is there while the agent waits. */
  readonly meanwhile?: (seconds: number, given: { -readonly [key in keyof Given]: Given[key] }) => void;
}
interface Outcome {
  readonly status: AutomaticStatus;
  readonly installed: readonly InstallRequest[];
  readonly said: readonly string[];
  readonly seconds: number;
  readonly fetched: readonly number[];
}

/** Runs the loop to its end, or for five minutes of a clock that only waiting moves. */
async function run(start: Given): Promise<Outcome> {
  const given: { -readonly [key in keyof Given]: Given[key] } = { ...start };
  const stop = new AbortController();
  const installed: InstallRequest[] = [];
  const said: string[] = [];
  const fetched: number[] = [];
  let now = 3000;
  let tries = 0;
  const ports: AutomaticPorts = {
    cmdline: async () => await Promise.resolve(given.cmdline ?? "petrify.installer"),
    brought: async () => await Promise.resolve(given.brought),
    volumes: async () => await Promise.resolve(given.volumes ?? []),
    fetch: async () => {
      const answer = given.web?.[Math.min(fetched.length, given.web.length - 1)];
      fetched.push(Math.round(now / 1000));
      if (answer === undefined || answer instanceof AppError) throw answer ?? new Error("unscripted");
      return await Promise.resolve(answer);
    },
    devices: async () =>
      await Promise.resolve((given.disks ?? [disk("/dev/sda")]).map(({ target: { path } }) => ({ name: path, sectors: 100 }))),
    disks: async () => await Promise.resolve(given.disks ?? [disk("/dev/sda")]),
    plan: async ({ device }) => {
      const error = given.refused?.[Math.min(tries++, given.refused.length - 1)];
      if (error) throw error;
      const image = { name: "edge", version: "1.0", size: 100 };
      return await Promise.resolve({ disk: disk("/dev/sda"), rule: `${device} it is.`, image, slotSize: 1, needed: 1 });
    },
    install: async function* (request) {
      installed.push(request);
      await Promise.resolve();
      yield { phase: "writing", done: 0, total: 2 ** 30 };
      yield { phase: "writing", done: 2 ** 30, total: 2 ** 30 };
      yield { phase: "reading back", done: 0, total: 2 ** 30 };
      const { after } = request;
      yield { installed: { disk: "/dev/sda", name: "edge", version: "1.0", fingerprint: "SHA256:x", after, seconds: 9 } };
    },
    rootHash: "ab".repeat(32),
    sha256: { digest: (bytes) => createHash("sha256").update(bytes).digest() },
    uptime: () => now,
    wait: async (ms) => {
      now += ms;
      given.meanwhile?.(now / 1000, given);
      if (now > 300_000) stop.abort();
      stop.signal.throwIfAborted();
      await Promise.resolve();
    },
    log: (level, line) => void said.push(`${level}: ${line}`),
  };
  const automatic = openAutomatic(ports);
  try {
    await automatic.loop(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  return { status: automatic.status(), installed, said, seconds: now / 1000, fetched };
}

test("what a config on the medium says is done, once the disks have been the same for a while, and every step is told", async () => {
  const { status, installed, said, seconds } = await run({ brought: CONFIG, cmdline: `petrify.medium=${MEDIUM}` });
  const source = `${MEDIUM}:${sha(CONFIG)}`;
  assert.deepEqual(installed, [{ device: "auto", wipe: false, after: "reboot", config: CONFIG, source }]);
  assert.deepEqual(status, { is: "installed", text: "edge 1.0 is installed on /dev/sda; its fingerprint is SHA256:x" });
  assert.ok(seconds >= 3 + 4);
  assert.deepEqual(said, [
    "alarm: install: the machine config of the medium says to install to auto.",
    "alarm: install: installing edge 1.0 to /dev/sda (9.3 GiB), as the machine config of the medium says. auto it is.",
    "alarm: install: writing 1 GiB",
    "alarm: install: reading back 1 GiB",
    "alarm: install: edge 1.0 is installed on /dev/sda; its fingerprint is SHA256:x.",
  ]);
});

test("where the consoles have a program of their own, nothing else writes on them", async () => {
  const { said } = await run({ brought: CONFIG, cmdline: "petrify.installer" });
  assert.deepEqual([...new Set(said.map((line) => line.split(":")[0]))], ["info"]);
});

interface OrderCase extends Given {
  readonly takes: Pick<InstallRequest, "device" | "wipe" | "after" | "config">;
}
const stick: CloudVolume = { device: "/dev/sdc1", text: OTHER };
const other = { device: "/dev/sdb", wipe: true, after: "poweroff", config: OTHER } as const;
const own = { device: "auto", wipe: false, after: "reboot", config: CONFIG } as const;
const WEB = "petrify.config_url=http://config.example/";
const ORDER: Readonly<Record<string, OrderCase>> = {
  "the config of the medium, before a volume": { brought: CONFIG, volumes: [stick], takes: own },
  "a volume, when the medium's config names no disk": { brought: "#cloud-config\n", volumes: [stick], takes: other },
  "a volume, before the web": { volumes: [stick], web: [CONFIG], cmdline: WEB, takes: other },
  "the web, when nothing else names a disk": { web: [CONFIG], cmdline: WEB, takes: own },
  "the command line alone": {
    cmdline: "petrify.install.device=serial:A petrify.install.after=stay",
    takes: { device: "serial:A", wipe: false, after: "stay" },
  },
  "the command line, with the first config there is, whose other keys count": {
    cmdline: "petrify.install.device=/dev/sda",
    volumes: [stick],
    takes: { ...other, device: "/dev/sda" },
  },
  "a word of the command line in place of a key": {
    cmdline: "petrify.install.wipe petrify.install.after=stay",
    brought: CONFIG,
    takes: { ...own, wipe: true, after: "stay" },
  },
  "the command line, with the web's config, which is waited for": {
    cmdline: `petrify.install.device=/dev/sda ${WEB}`,
    web: [new AppError("FETCH_FAILED", "no network"), "#cloud-config\n"],
    takes: { device: "/dev/sda", wipe: false, after: "reboot", config: "#cloud-config\n" },
  },
};
for (const [name, { takes, ...given }] of Object.entries(ORDER)) {
  test(`of several sources counts ${name}`, async () => {
    const { installed } = await run(given);
    const [{ source, ...request } = {} as InstallRequest, ...more] = installed;
    assert.deepEqual([request, more], [takes, []]);
    assert.equal(source, `${"ab".repeat(32)}:${sha(takes.config ?? "")}`);
  });
}

test("an installation that has been done before is not repeated, on whatever disk it is, and whatever wipe says", async () => {
  const source = `${MEDIUM}:${sha(OTHER)}`;
  const given = { brought: OTHER, cmdline: `petrify.medium=${MEDIUM} petrify.installer` };
  const { status, installed } = await run({ ...given, disks: [disk("/dev/sdb"), disk("/dev/sda", source)] });
  assert.deepEqual(installed, []);
  assert.equal(status.is, "stopped");
  assert.match((status as { text: string }).text, /^already installed: \/dev\/sda /);
  assert.match((status as { hint: string }).hint, /^Remove the medium/);
  // Another medium, or another config on it, is another installation.
  for (const from of [`${MEDIUM}:${sha(CONFIG)}`, `${"0".repeat(32)}:${sha(OTHER)}`]) {
    assert.equal((await run({ ...given, disks: [disk("/dev/sda", from)] })).installed.length, 1);
  }
});

test("a disk that is not there yet is waited for, and that is said once", async () => {
  const missing = new AppError("DEVICE_MISSING", "there is no disk /dev/sdb");
  const { installed, said } = await run({ brought: OTHER, refused: [missing, missing, missing, undefined] });
  assert.equal(installed.length, 1);
  assert.equal(said.filter((line) => line.includes("there is no disk")).length, 1);
});

test("a disk that is plugged in later is taken as soon as it has been there for a while, and not looked for all the time", async () => {
  const missing = new AppError("DEVICE_MISSING", "there is no disk /dev/sdb");
  const { installed, seconds } = await run({
    brought: OTHER,
    refused: Array.from({ length: 100 }, () => missing),
    meanwhile: (now, given) => {
      if (now < 70) return;
      given.disks = [disk("/dev/sda"), disk("/dev/sdb")];
      given.refused = [];
    },
  });
  assert.equal(installed.length, 1);
  assert.ok(seconds < 80, String(seconds));
});

test("a disk that holds data is said once, and a person is waited for", async () => {
  const refused = [new AppError("DEVICE_HOLDS_DATA", "/dev/sdb holds data: ext4", { hint: "Say so: wipe." }), undefined];
  const { installed, status, said } = await run({ brought: OTHER, refused });
  assert.deepEqual(installed, []);
  assert.deepEqual(status, { is: "stopped", text: "/dev/sdb holds data: ext4", hint: "Say so: wipe." });
  assert.equal(said.filter((line) => line.includes("holds data")).length, 1);
});

test("disks that come and go are waited out: one that appears late may be the one that is meant", async () => {
  const { seconds } = await run({
    brought: CONFIG,
    meanwhile: (now, given) => {
      given.disks = now < 20 ? [disk(`/dev/sd${Math.round(now)}`)] : [disk("/dev/sda")];
    },
  });
  assert.ok(seconds >= 24, String(seconds));
});

test("a config that cannot be understood is said with its place, and nothing is installed: not from what comes after it either", async () => {
  const { installed, status } = await run({ brought: "#cloud-config\ninstall:\n  devise: auto\n", volumes: [stick] });
  assert.deepEqual(installed, []);
  assert.equal(status.is, "stopped");
  assert.match((status as { text: string }).text, /^the machine config of the medium:3:3: install\.devise: is not a key/);
  const damaged = await run({ volumes: [{ device: "/dev/sdc1", problem: "it ends too early" }, stick] });
  assert.deepEqual([damaged.installed, damaged.status.is], [[], "stopped"]);
  const words = await run({ cmdline: "petrify.install.wipe=maybe petrify.install.device=auto" });
  assert.deepEqual([words.installed, words.status.is], [[], "stopped"]);
});

test("the web is asked less and less often until it answers", async () => {
  const failed = new AppError("FETCH_FAILED", "http://config.example/ cannot be read: no network");
  const { installed, fetched, said } = await run({ cmdline: WEB, web: [...Array.from({ length: 6 }, () => failed), CONFIG] });
  assert.equal(installed.length, 1);
  const pauses = fetched.slice(1).map((at, index) => at - fetched[index]!);
  assert.deepEqual(pauses, [2, 2, 4, 8, 16, 32]);
  assert.equal(said.filter((line) => line.includes("no network")).length, 1);
});

test("an installer goes on looking for a volume; a system that only runs from memory stops once its disks are there", async () => {
  const meanwhile: NonNullable<Given["meanwhile"]> = (now, given) => {
    if (now > 60) given.volumes = [stick];
  };
  assert.equal((await run({ meanwhile })).installed.length, 1);
  const { installed, seconds, status } = await run({ meanwhile, cmdline: "quiet" });
  assert.deepEqual([installed, status], [[], { is: "none" }]);
  assert.ok(seconds < 60);
});
