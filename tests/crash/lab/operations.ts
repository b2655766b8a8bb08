/** What the lab does to the disk, by the name of the scenario. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { openDirect } from "../../../src/host/direct-read.ts";
import { flash } from "../../../src/host/flash.ts";
import { openFlashDevice } from "../../../src/host/flash-device.ts";
import { writeResetRequest } from "../../../src/host/reset-requests.ts";
import { flashPlan } from "../../../src/layout/flash-plan.ts";
import { GROWTH_WANTED, PERSISTENT_FOLDER, persistentOverlay } from "../../../src/layout/fstab.ts";
import { markBad } from "../../../src/layout/record-change.ts";
import { fileExists } from "../../../src/host/files.ts";
import { openTrustStore } from "../../../src/agent/trust-store.ts";
import { sha256 } from "../../../src/host/sha256.ts";
import { decodeTrustedKeys } from "../../../src/release/trusted-keys.ts";
import { agentLife, markedRecord, STATE_FOLDER } from "./agent-life.ts";
import { mountData, NEW_IMAGE, program, RUNTIME, unmount, type Lab } from "./lab.ts";

export type Operation = (lab: Lab) => Promise<void>;

/** Before any build of today: the clock of the guest is the host's. */
const CLOCK = 1_791_000_000;
const EARLY = "/usr/lib/petrify/petrify-early";
const NEW = { is: "file", path: NEW_IMAGE } as const;
/** Its release, which brings another key, and the keys by which it is known. */
export const RELEASE_TAG = "2";
const NEW_RELEASE = { is: "registry", reference: `oci:/usr/lib/petrify/release:${RELEASE_TAG}` } as const;
const FIRST_KEYS = "/usr/lib/petrify/trusted-keys.json";
/** Persistent in every matrix image. */
export const FOLDER = "/srv";

async function mountAll(lab: Lab): Promise<void> {
  await mountData(lab.device("oem"), "/oem");
  await mountData(lab.device("persistent"), PERSISTENT_FOLDER);
}

export const OPERATIONS = {
  /** The initrd has given the disk its ids and the whole of its room; here is the rest of a machine's first boot. */
  "first boot": async (lab) => {
    await mountData(lab.device("oem"), "/oem");
    await mountData(lab.device("persistent"), PERSISTENT_FOLDER);
    await lab.step("growth");
    if (!(await fileExists(GROWTH_WANTED))) throw new Error("nothing has grown");
    await program([`${RUNTIME}/resize2fs`, lab.device("persistent")]);
    await lab.mark("grown");
    await lab.step("layers");
    await program([EARLY, "persist"]);
    await lab.step("health commit");
    await agentLife(lab, { clock: CLOCK, healthy: true });
  },

  /** Boots of a proven slot, one after the other. */
  "agent state": async (lab) => {
    await mountAll(lab);
    for (let boot = 0; boot < 3; boot++) {
      await lab.step(boot % 2 === 0 ? "agent stopped healthy" : "agent stopped early");
      await agentLife(lab, { clock: CLOCK + 3600 * (boot + 1), healthy: boot % 2 === 0 });
    }
  },

  /** An update that has booted for the first time. */
  "health commit": async (lab) => {
    await mountAll(lab);
    await lab.step("health commit");
    await agentLife(lab, { clock: CLOCK + 7200, healthy: true });
  },

  /** A scrub has found the other slot damaged. */
  "mark bad": async (lab) => {
    await lab.step("mark bad");
    await markedRecord(lab).change((facts) => markBad("b", facts));
  },

  upgrade: async (lab) => {
    await mountAll(lab);
    await lab.step("agent starts");
    const wish = { source: NEW, recovery: false, restart: true, force: false };
    await agentLife(lab, { clock: CLOCK, healthy: true, ask: (agent, signal) => agent.operations.upgrade(wish, signal) });
  },

  /** Segment by segment, out of what runs and a delta; the machine knows whom it trusts. */
  "upgrade by a delta": async (lab) => {
    await mountAll(lab);
    await lab.step("trusted keys");
    const keys = decodeTrustedKeys(await readFile(FIRST_KEYS), FIRST_KEYS, sha256);
    await (await openTrustStore({ folder: STATE_FOLDER }, sha256)).keep(keys);
    await lab.mark(`done trust ${keys.epoch}`);
    await lab.step("agent starts");
    const wish = { source: NEW_RELEASE, recovery: false, restart: true, force: false };
    await agentLife(lab, { clock: CLOCK, healthy: true, ask: (agent, signal) => agent.operations.upgrade(wish, signal) });
  },

  /** The slot is half written, and the machine has started again. */
  "upgrade by a delta again": async (lab) => {
    await mountAll(lab);
    await lab.step("agent starts");
    await agentLife(lab, { clock: CLOCK + 60, healthy: false, ask: (agent, signal) => agent.operations.follow(signal) });
  },

  rollback: async (lab) => {
    await mountAll(lab);
    await lab.step("agent starts");
    await agentLife(lab, { clock: CLOCK, healthy: true, ask: (agent, signal) => agent.operations.rollback(true, signal) });
  },

  "recovery upgrade": async (lab) => {
    await mountAll(lab);
    await lab.step("agent starts");
    const wish = { source: NEW, recovery: true, restart: false, force: false };
    await agentLife(lab, { clock: CLOCK, healthy: true, ask: (agent, signal) => agent.operations.upgrade(wish, signal) });
  },

  "reset of a path": async (lab) => {
    await mountAll(lab);
    await program([EARLY, "persist"]);
    const { upper } = persistentOverlay(FOLDER);
    await mkdir(`${upper}/app/deep`, { recursive: true });
    for (const name of ["one", "two", "deep/three"]) await writeFile(`${upper}/app/${name}`, name.repeat(900));
    await writeFile(`${upper}/kept`, "kept".repeat(900));
    unmount(PERSISTENT_FOLDER);
    await mountData(lab.device("persistent"), PERSISTENT_FOLDER);
    await lab.mark("written");
    await lab.step("request");
    await writeResetRequest("/", [`${FOLDER}/app`]);
    await lab.mark("requested");
    unmount(PERSISTENT_FOLDER);
    await lab.step("reset");
    await mountData(lab.device("persistent"), PERSISTENT_FOLDER);
    await program([EARLY, "persist"]);
    await lab.mark("reset");
  },

  /** A slot runs; recovery is to do it. */
  "order to reset": async (lab) => {
    await mountAll(lab);
    await lab.step("agent starts");
    const wish = { keep: [], erase: false, after: "reboot" } as const;
    await agentLife(lab, {
      ...{ clock: CLOCK, healthy: true },
      ask: async function* (agent, signal) {
        await lab.step("order");
        for await (const _ of agent.reset.reset(wish, signal)) yield* [];
        await lab.mark("ordered");
      },
    });
  },

  /** Recovery runs, with the order on the disk; what there is to wipe is put there first. */
  reset: async (lab) => {
    if (!lab.facts.resetting) throw new Error("this boot is not there to reset the machine");
    await lab.step("data of before");
    await mountData(lab.device("persistent"), PERSISTENT_FOLDER);
    await writeFile(`${PERSISTENT_FOLDER}/secret`, "secret".repeat(900));
    unmount(PERSISTENT_FOLDER);
    await lab.mark("written");
    await agentLife(lab, { clock: CLOCK, healthy: true, restarts: true });
    await lab.mark("reset");
  },

  /** Recovery has started again after a power cut. */
  "reset again": async (lab) => {
    await agentLife(lab, { clock: CLOCK, healthy: true, restarts: true });
    await lab.mark("reset");
  },

  /** Another disk of the machine becomes the one that a third has. */
  flash: async (lab) => {
    const sectorSize = Number(await readFile(`/sys/block/${basename(lab.disk("target"))}/queue/logical_block_size`, "utf8"));
    await using source = await openDirect(lab.disk("image"));
    await using device = await openFlashDevice(lab.disk("target"), { isFile: false, sectorSize });
    let current: string | undefined;
    let told = lab.step("ending what was there");
    await told;
    await flash({
      ...{ source: { ...source, path: "the image" }, path: "the disk", device },
      plan: flashPlan(source.size, device.size, sectorSize),
      signal: new AbortController().signal,
      progress: (phase) => {
        if (phase !== current) told = lab.step((current = phase));
      },
    });
    await told;
  },
} as const satisfies Readonly<Record<string, Operation>>;
