import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { GiB, MiB } from "../core/units.ts";
import { serveLocally, type LocalRoutes } from "../host/unix-http.ts";
import type { FlashTarget } from "../layout/flash-target.ts";
import {
  INSTALL_CALLS,
  parseInstallRequest,
  parsePlanRequest,
  type InstallDisk,
  type Installed,
  type InstallNews,
  type InstallPlan,
} from "../layout/install.ts";
import { runOnNode } from "./node-testing.ts";
import { Interrupted } from "./output.ts";
import type { Ran } from "./testing.ts";

const BLANK: FlashTarget = {
  ...{ path: "/dev/vda", kind: "disk", size: 8 * GiB, sectorSize: 512, readOnly: false, removable: false },
  ...{ mounts: [], holders: [], loops: [], isBusy: false, isAllowed: true, found: [], model: "Example SSD", serial: "0123" },
};
const USED: FlashTarget = { ...BLANK, path: "/dev/vdb", found: ['ext4 "photos"'] };
const DATA = {
  code: "DEVICE_HOLDS_DATA",
  message: '/dev/vdb holds data: ext4 "photos"',
  hint: "If it may be lost, say so: --wipe.",
};
const DISKS: readonly InstallDisk[] = [
  { target: BLANK, refusals: [] },
  { target: USED, refusals: [DATA], installedFrom: "medium:00" },
  {
    target: { ...BLANK, path: "/dev/vdc", readOnly: true },
    refusals: [{ code: "DEVICE_READ_ONLY", message: "/dev/vdc is write-protected", hint: "" }],
  },
];
const INSTALLED: Installed = {
  ...{ disk: "/dev/vda", name: "edge", version: "1.2.0", fingerprint: "SHA256:abc", after: "reboot", seconds: 12.5 },
};
const planOf = (target: FlashTarget): InstallPlan => ({
  disk: { target, refusals: [] },
  rule: "It was named.",
  image: { name: "edge", version: "1.2.0", size: 100 * MiB },
  ...{ slotSize: 1.5 * GiB, needed: 4 * GiB },
});

interface Desk extends AsyncDisposable {
  readonly asked: unknown[];
  readonly run: (args: readonly string[], typed?: string) => Promise<Ran>;
  /** Ctrl-C as soon as that is written. */
  readonly interrupt: (args: readonly string[], when: string) => Promise<Ran>;
}
/** An agent that installs in no time. */
async function desk(end: () => InstallNews = () => ({ installed: INSTALLED }), others: LocalRoutes = {}): Promise<Desk> {
  const folder = await mkdtempDisposable("/dev/shm/petrify-install-"); // a socket's path is short
  const asked: unknown[] = [];
  const targetOf = (device: string): FlashTarget => (device.endsWith("vdb") ? USED : BLANK);
  const routes: LocalRoutes = {
    [INSTALL_CALLS.disks]: async () => await Promise.resolve({ disks: DISKS }),
    [INSTALL_CALLS.plan]: async (_, body) => {
      await Promise.resolve();
      const { device, wipe } = parsePlanRequest(body);
      if (targetOf(device).found.length > 0 && !wipe) throw new AppError(DATA.code, DATA.message, { hint: DATA.hint });
      return planOf(targetOf(device));
    },
    [INSTALL_CALLS.install]: async function* (_, body) {
      await Promise.resolve();
      const request = parseInstallRequest(body);
      asked.push(request);
      yield { plan: planOf(targetOf(request.device)) };
      yield { phase: "checking", done: 1, total: 1 };
      yield { phase: "writing", done: MiB, total: 2 * MiB };
      yield end();
    },
    [INSTALL_CALLS.follow]: async function* () {},
    ...others,
  };
  const socket = join(folder.path, AGENT_SOCKET);
  await mkdir(dirname(socket), { recursive: true });
  const server = await serveLocally(socket, routes);
  return {
    asked,
    run: async (args, typed) => await runOnNode(folder.path, args, typed === undefined ? {} : { typed }),
    interrupt: async (args, when) => {
      const stop = new AbortController();
      let out = "";
      const write = (text: string): void => {
        out += text;
        if (text.includes(when)) stop.abort(new Interrupted(2));
      };
      return { ...(await runOnNode(folder.path, args, { out: write, signal: stop.signal })), out };
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("petrify install", () => {
  test("lists the disks: what they are, what is on them, what speaks against each", async () => {
    await using at = await desk();
    const { exitCode, out } = await at.run(["install", "--list"]);
    assert.equal(exitCode, 0);
    assert.equal(
      out,
      `/dev/vda (Example SSD, serial 0123, 8 GiB)
  blank
/dev/vdb (Example SSD, serial 0123, 8 GiB)
  holds ext4 "photos"
  installed by itself, from medium:00
  only with --wipe
/dev/vdc (Example SSD, serial 0123, 8 GiB)
  blank
  not possible: /dev/vdc is write-protected
`,
    );
  });

  test("says with --dry-run what it would do, and asks for nothing", async () => {
    await using at = await desk();
    const { exitCode, out } = await at.run(["install", "vda", "--dry-run"]);
    assert.equal(exitCode, 0);
    assert.match(
      out,
      /^would install edge 1\.2\.0 \(100 MiB\)\nto +\/dev\/vda \(Example SSD.*\n +It was named\.\nslots +two of 1\.5 GiB/,
    );
    assert.deepEqual(at.asked, []);
  });

  test("installs once the disk's name is typed, and ends with the key and what comes next", async () => {
    await using at = await desk();
    const { exitCode, out, err } = await at.run(["install", "/dev/vdb", "--wipe", "--after", "poweroff"], "vdb\n");
    assert.equal(exitCode, 0, err);
    assert.match(err, /This overwrites \/dev\/vdb.*\n {2}Lost: ext4 "photos"\nType vdb to go on: /);
    assert.deepEqual(at.asked, [{ device: "/dev/vdb", wipe: true, after: "poweroff" }]);
    assert.match(out, /^\/dev\/vda holds edge 1\.2\.0: installed in 12\.5 s\.\nkey +SHA256:abc\nnext +The machine restarts/);
  });

  for (const typed of ["/dev/vdb\n", "y\n", ""]) {
    test(`does nothing when ${JSON.stringify(typed)} is typed in place of the name`, async () => {
      await using at = await desk();
      const { exitCode, err } = await at.run(["install", "/dev/vdb", "--wipe"], typed);
      assert.deepEqual([exitCode, at.asked], [1, []]);
      assert.match(err, /nothing was done/);
    });
  }

  test("asks nobody where nobody is: without --yes it is refused, and so is a disk with data without --wipe", async () => {
    await using at = await desk();
    const silent = await at.run(["install", "vda", "--json"]);
    assert.deepEqual([silent.exitCode, at.asked], [1, []]);
    assert.match(silent.out, /"code":"CONFIRMATION_MISSING"/);
    const used = await at.run(["install", "vdb", "--yes"]);
    assert.deepEqual([used.exitCode, at.asked], [1, []]);
    assert.match(used.err, /holds data: ext4 "photos"\nhint: If it may be lost/);
  });

  test("brings the machine config along, and installs to the disk that was shown", async () => {
    await using at = await desk();
    await using folder = await mkdtempDisposable("/dev/shm/petrify-config-");
    const config = join(folder.path, "machine.yaml");
    await writeFile(config, "#cloud-config\n");
    const { exitCode, out } = await at.run(["install", "auto", "--config", config, "--yes", "--json"]);
    assert.equal(exitCode, 0, out);
    assert.deepEqual(at.asked, [{ device: "/dev/vda", wipe: false, after: "reboot", config: "#cloud-config\n" }]);
    assert.match(out, /"phase":"writing","done":1048576,"total":2097152/);
    const missing = await at.run(["install", "auto", "--config", join(folder.path, "none"), "--yes"]);
    assert.match(missing.err, /none cannot be read \(ENOENT\)/);
  });

  test("that fails in the middle says that the disk is not whole", async () => {
    await using at = await desk(() => {
      throw new AppError("FLASH_WRITE_FAILED", "/dev/vda cannot be written at 1 MiB", { hint: "The disk is failing." });
    });
    const { exitCode, err } = await at.run(["install", "vda", "--yes"]);
    assert.equal(exitCode, 1);
    assert.match(
      err,
      /\/dev\/vda is not whole: .*safe to repeat[^]*error: \/dev\/vda cannot be written at 1 MiB\nhint: The disk is failing/,
    );
  });

  for (const [begins, phase, says] of [
    [true, "writing", /"type":"unfinished","path":"\/dev\/vda"/],
    [true, "finishing", /The agent goes on/],
    [false, "writing", /The agent goes on/],
  ] as const) {
    test(`${begins ? "" : "--follow "}that is interrupted while ${phase} says what becomes of the disk`, async () => {
      const hanging = async function* () {
        yield { plan: planOf(BLANK) };
        yield { phase, done: 1, total: 2 };
        await new Promise(() => {});
      };
      await using at = await desk(undefined, { [INSTALL_CALLS.install]: hanging, [INSTALL_CALLS.follow]: hanging });
      const args = begins ? ["vda", "--yes"] : ["--follow"];
      const { exitCode, err, out } = await at.interrupt(["install", ...args, "--json"], `"phase":"${phase}"`);
      assert.equal(exitCode, 130);
      assert.match(out + err, says);
      assert.equal(`${out}${err}`.includes("unfinished"), begins && phase === "writing");
    });
  }

  test("without a device is wrong usage; --follow says when there is nothing to follow", async () => {
    await using at = await desk();
    assert.equal((await at.run(["install"])).exitCode, 2);
    assert.match((await at.run(["install", "--follow"])).out, /Nothing is being installed\./);
  });
});
