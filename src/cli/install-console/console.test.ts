import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../core/error.ts";
import { refusalsOf, type FlashTarget } from "../../layout/flash-target.ts";
import type { InstallNews } from "../../layout/install.ts";
import { runConsole, type ConsolePorts } from "./console.ts";

const target: FlashTarget = {
  ...{ path: "/dev/vda", kind: "disk", size: 32 * 1024 ** 3, sectorSize: 512, readOnly: false, removable: false, mounts: [] },
  ...{ holders: [], loops: [], isBusy: false, isAllowed: true, found: ["ext4"] },
};
const disk = { target, refusals: refusalsOf(target, { needed: 1, wipe: false }) };
const plan = { disk, rule: "", image: { name: "edge", version: "1", size: 1 }, slotSize: 1024 ** 3, needed: 1024 ** 3 };
const news = (after: "stay" | "reboot"): InstallNews[] => [
  { plan },
  { phase: "writing", done: 0, total: 100 },
  { phase: "writing", done: 5, total: 100 },
  { phase: "writing", done: 55, total: 100 },
  { phase: "writing", done: 56, total: 100 },
  { phase: "writing", done: 100, total: 100 },
  { installed: { disk: "/dev/vda", name: "edge", version: "1", fingerprint: "SHA256:x", after, seconds: 2 } },
];

/** A console before an agent; what a person types, answers what is on the screen. */
async function play(
  person: Readonly<Record<string, string>>,
  {
    isLive = false,
    agentAfter = 0,
    underWay = false,
    hangs = false,
    running = "ram",
  }: { isLive?: boolean; agentAfter?: number; underWay?: boolean; hangs?: boolean; running?: string } = {},
): Promise<{ readonly text: string; readonly asked: readonly string[]; readonly power: readonly string[] }> {
  const stop = new AbortController();
  const asked: string[] = [];
  const power: string[] = [];
  const answers = new Map(Object.entries(person));
  let text = "";
  let type: (typed: string) => void = () => {};
  let tries = 0;
  let now = 0;
  let begun = false;
  const polls = { count: 0 };
  /** Meanwhile the console has asked what is under way. */
  const polled = async (more: number): Promise<void> => {
    const until = polls.count + more;
    while (polls.count < until) await new Promise((resolve) => setImmediate(resolve));
  };
  const ports: ConsolePorts = {
    ask: async function* (call, signal, body) {
      await Promise.resolve();
      if (tries++ < agentAfter) throw new AppError("AGENT_UNREACHABLE", "not yet");
      if (call !== "GET /install/automatic") asked.push(body === undefined ? call : `${call} ${JSON.stringify(body)}`);
      if (call === "GET /status") yield { image: { name: "edge", version: "1" }, running };
      if (call === "GET /install/automatic") polls.count++;
      if (call === "GET /install/automatic") yield { status: { is: "none" }, isUnderWay: underWay || begun };
      if (call === "GET /install/disks") yield { disks: [disk] };
      if (call === "POST /install/plan") yield plan;
      if (call === "GET /install" && begun) {
        yield { plan };
        await polled(3);
        begun = false;
        throw new AppError("INSTALL_STOPPED", "the installation was stopped", { hint: "It is safe." });
      }
      if (call === "GET /install") yield* news("reboot");
      if (call !== "POST /install") return;
      begun = hangs;
      for (const one of hangs ? news("stay").slice(0, 2) : news("stay")) {
        now += 800;
        yield one;
      }
      if (hangs) await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    },
    write: (part) => {
      text += part;
      for (const [shown, typed] of answers) {
        if (!text.includes(shown)) continue;
        answers.delete(shown);
        if (typed === "end") stop.abort(new Error("end"));
        else setImmediate(() => type(typed));
        return;
      }
    },
    keys: (onTyped) => {
      type = onTyped;
      return { isRaw: true, [Symbol.dispose]: () => {} };
    },
    isLive,
    config: async () => await Promise.resolve("#cloud-config\n"),
    power: async (how) => {
      await Promise.resolve();
      power.push(how);
      stop.abort(new Error("down"));
    },
    clock: () => now,
    wait: async () =>
      await new Promise((resolve, reject) => {
        setTimeout(resolve, 1);
        stop.signal.addEventListener("abort", () => reject(new Error("aborted")));
      }),
    signal: stop.signal,
  };
  await assert.rejects(runConsole(ports), /end|down|aborted|runs from a disk/);
  return { text, asked, power };
}

test("a person installs: every call is made once, the medium's config goes along, and the machine restarts", async () => {
  const { text, asked, power } = await play({ "r to look again": "1\r", "Type vda": "vda\r" }, { agentAfter: 2 });
  assert.deepEqual(asked, [
    "GET /status",
    "GET /install/disks",
    'POST /install/plan {"device":"/dev/vda","wipe":true}',
    'POST /install {"device":"/dev/vda","wipe":true,"after":"stay","config":"#cloud-config\\n"}',
  ]);
  assert.deepEqual(power, ["restart"]);
  assert.match(text, /^The machine is starting\.\n-/);
  assert.match(text, /\n> 1\n-/);
  assert.match(text, /\n> vda\n\nInstalling edge 1 to \/dev\/vda/);
  assert.match(text, /\n  SHA256:x\n/);
});

test("progress is a line that is written over once a second, and without a terminal a line each tenth; at first nothing is known of speed", async () => {
  const person = { "r to look again": "1\r", "Type vda": "vda\r" };
  const lines = (await play(person)).text.split("\n").filter((line) => line.startsWith("writing"));
  assert.deepEqual(lines, ["writing  0 %", "writing  55 %", "writing  100 %, 31 B/s, 0 s left"]);
  const { text } = await play(person, { isLive: true });
  assert.match(text, /\n\rwriting  0 %\rwriting  55 %\rwriting  100 %, 31 B\/s, 0 s left\n\n-/);
});

test("Ctrl-C and stop end the installation, and nothing else does", async () => {
  const { text, power } = await play(
    { "r to look again": "1\r", "Type vda": "vda\r", writing: "\u0003", "Type stop": "stop\r", "to see the disks again": "end" },
    { hangs: true },
  );
  // Not before the agent has ended it: till then it counts as under way.
  assert.match(text, /It is being stopped\.\n\nerror: the installation was stopped\nhint: It is safe\.\n\nNothing boots/);
  assert.doesNotMatch(text, /this console shows it/);
  assert.deepEqual(power, []);
});

test("an installation that was begun elsewhere is followed to its end", async () => {
  const { text, asked } = await play({ "The machine restarts": "end" }, { underWay: true });
  assert.ok(asked.includes("GET /install"));
  assert.match(text, /this console shows it\.\n\nInstalling edge 1[^]*SHA256:x\n\nRemove the medium\. The machine restarts\.\n$/);
});

test("a system that runs from a disk has no installer", async () => {
  const { text, asked } = await play({}, { running: "a" });
  assert.deepEqual([text, asked], ["", ["GET /status"]]);
});
