import assert from "node:assert/strict";
import { test } from "node:test";
import { refusalsOf, type FlashTarget } from "../../layout/flash-target.ts";
import type { InstallDisk, InstallPlan } from "../../layout/install.ts";
import { consoleStep, newConsole, type ConsoleEffect, type ConsoleEvent } from "./screen.ts";

const GiB = 1024 ** 3;
const disk = (path: string, more: Partial<FlashTarget> = {}, installedFrom?: string): InstallDisk => {
  const target: FlashTarget = {
    ...{ path: `/dev/${path}`, kind: "disk", size: 32 * GiB, sectorSize: 512, readOnly: false, removable: false, mounts: [] },
    ...{ holders: [], loops: [], isBusy: false, isAllowed: true, found: [], ...more },
  };
  const refusals = refusalsOf(target, { needed: 4 * GiB, wipe: false });
  return { target, refusals, ...(installedFrom === undefined ? {} : { installedFrom }) };
};
const BLANK = disk("vda", { model: "Example SSD", serial: "S4EVNX0M", transport: "sata" });
const FULL = disk("sdb", { found: ["partition table (gpt)", 'ext4 "photos" on /dev/sdb1', 'swap "\u001b[2J" on /dev/sdb2'] });
const MOUNTED = disk("sdc", { mounts: [{ device: "/dev/sdc1", at: "/mnt" }], removable: true, transport: "usb" });
const DISKS = [BLANK, FULL, MOUNTED];
const plan = (one: InstallDisk): InstallPlan => ({
  ...{ disk: one, rule: "", image: { name: "edge", version: "1.2.0", size: 1 }, slotSize: 1.5 * GiB, needed: 4.2 * GiB },
});
const installed = {
  installed: { disk: "/dev/sdb", name: "edge", version: "1.2.0", fingerprint: "SHA256:abc/def", after: "stay", seconds: 83 },
} as const;

/** Everything that a console shows and asks for, as text: `> ` waits for a line, `[…]` is done by the driver. */
function play(...events: readonly ConsoleEvent[]): string {
  let { state, effects } = newConsole({ name: "edge", version: "1.2.0" });
  let text = effects.map(shown).join("");
  for (const event of events) {
    ({ state, effects } = consoleStep(state, event));
    if (event.is === "line") text += `${event.text}\n`;
    text += effects.map(shown).join("");
  }
  for (const line of text.split("\n")) assert.match(line, /^[ -~]{0,79}$/, "it fits 80 columns, and is ASCII");
  return text;
}
function shown(effect: ConsoleEffect): string {
  switch (effect.do) {
    case "print":
      return effect.lines.map((line) => `${line}\n`).join("");
    case "prompt":
      return "> ";
    case "progress":
      return `${effect.line}\n`;
    case "plan":
      return `[plan ${effect.device}]\n`;
    case "install":
      return `[install ${JSON.stringify(effect.request)}]\n`;
    case "power":
      return `[${effect.how}]\n`;
    case "look":
    case "follow":
    case "stop":
      return `[${effect.do}]\n`;
  }
}
const WELCOME = play();
/** What comes after the welcome. */
const after = (...events: readonly ConsoleEvent[]): string => play(...events).slice(WELCOME.length);
const listed: ConsoleEvent = { is: "disks", disks: DISKS };
const line = (text: string): ConsoleEvent => ({ is: "line", text });
const LIST = after(listed);
const afterList = (...events: readonly ConsoleEvent[]): string => after(listed, ...events).slice(LIST.length);
const CHOSEN = afterList(line("2"), { is: "plan", plan: plan(FULL) });
const afterChosen = (...events: readonly ConsoleEvent[]): string =>
  afterList(line("2"), { is: "plan", plan: plan(FULL) }, ...events).slice(CHOSEN.length);

test("it says what it is, and shows every disk with what is on it, or why it cannot be taken", () => {
  assert.equal(
    play(listed),
    `-------------------------------------------------------------------------------
Installer: edge 1.2.0
-------------------------------------------------------------------------------
This machine runs edge 1.2.0 from memory. It can be installed to a disk here;
what is on that disk is lost.

[look]
Disks:

  1  /dev/vda (Example SSD, serial S4EVNX0M, sata, 32 GiB)
     blank

  2  /dev/sdb (32 GiB)
     holds data: partition table (gpt); ext4 "photos" on /dev/sdb1; swap "?[...

  -  /dev/sdc (usb, removable, 32 GiB)
     cannot be taken: /dev/sdc is mounted: /dev/sdc1 at /mnt

Type a number to install there, r to look again, p to power off, b to restart.
> `,
  );
});

test("all that is going to be lost is shown, and the disk's name has to be typed", () => {
  assert.equal(
    CHOSEN,
    `2
[plan /dev/sdb]
-------------------------------------------------------------------------------
edge 1.2.0 is going to be installed on
  /dev/sdb (32 GiB)

This is going to be lost:
  partition table (gpt)
  ext4 "photos" on /dev/sdb1
  swap "?[2J" on /dev/sdb2

Two slots of 1.5 GiB each; the disk has to have 4.2 GiB, and all of it is used.
Type sdb to go on, or just Enter to go back.
> `,
  );
});

test("another name, or none, does nothing", () => {
  for (const [typed, says] of [
    ["sda", "That is not sdb: nothing was done."],
    ["SDB", "That is not sdb: nothing was done."],
    ["yes", "That is not sdb: nothing was done."],
    ["", "Nothing was done."],
  ] as const) {
    assert.equal(afterChosen(line(typed)), `${typed}\n\n${says}\n\n[look]\n`);
  }
  assert.equal(afterChosen({ is: "interrupt" }), "\nNothing was done.\n\n[look]\n");
});

test("an installation shows how far it is, what it came to and how to go on, and restarts by itself", () => {
  const news: ConsoleEvent[] = [
    { is: "news", news: { plan: plan(FULL) } },
    { is: "news", news: { phase: "writing", done: 45, total: 100 }, rate: "45 %, 38.1 MiB/s, 1 min 2 s left" },
    { is: "news", news: { phase: "reading back", done: 100, total: 100 } },
    { is: "news", news: { phase: "finishing", done: 0, total: 1 } },
    { is: "news", news: installed },
  ];
  const seconds = Array.from({ length: 10 }, (): ConsoleEvent => ({ is: "second" }));
  assert.equal(
    afterChosen(line("sdb"), ...news, ...seconds),
    `sdb
[install {"device":"/dev/sdb","wipe":true,"after":"stay"}]

Installing edge 1.2.0 to /dev/sdb (32 GiB)
writing  45 %, 38.1 MiB/s, 1 min 2 s left
reading back  100 %
finishing

-------------------------------------------------------------------------------
edge 1.2.0 is installed on /dev/sdb, in 1 min 23 s.

Fingerprint of the new machine:
  SHA256:abc/def

Remove the medium now.
The machine restarts in 10 s. Enter: at once. p: power off. s: stay here.
> The machine restarts.
[restart]
`,
  );
  const done = afterChosen(line("sdb"), ...news);
  const next = (...events: readonly ConsoleEvent[]): string => afterChosen(line("sdb"), ...news, ...events).slice(done.length);
  assert.equal(next(line("")), "\nThe machine restarts.\n[restart]\n");
  assert.equal(next(line("p")), "p\nThe machine is powered off.\n[power-off]\n");
  assert.equal(next(line("s"), ...seconds, ...seconds), "s\nIt stays. Enter shows the disks again.\n> ");
});

test("Ctrl-C asks first, and what is not answered with stop goes on", () => {
  const begun = [line("sdb"), { is: "news", news: { phase: "writing", done: 1, total: 100 } }] as const;
  const working = afterChosen(...begun);
  const next = (...events: readonly ConsoleEvent[]): string => afterChosen(...begun, ...events).slice(working.length);
  const question = "\nStop the installation? The disk would boot nothing. Type stop, or just Enter to\ngo on.\n> ";
  assert.equal(next({ is: "interrupt" }), question);
  const moving: ConsoleEvent = { is: "news", news: { phase: "writing", done: 9, total: 100 } };
  assert.equal(next({ is: "interrupt" }, moving, line(""), moving), `${question}\nIt goes on.\nwriting  9 %\n`);
  assert.equal(next({ is: "interrupt" }, line("stop")), `${question}stop\nIt is being stopped.\n[stop]\n`);
  assert.equal(
    next({ is: "error", error: { code: "INTERRUPTED", message: "the installation was stopped" } }),
    `
error: the installation was stopped

Nothing boots from that disk. It is safe to install again.

Press Enter to see the disks again.
> `,
  );
});

test("a failure is shown with what to do about it, and leads back to the disks", () => {
  const error = { code: "FLASH_WRITE_FAILED", message: "/dev/sdb cannot be written at 5 GiB: EIO", hint: "Take another disk." };
  const writing: ConsoleEvent = { is: "news", news: { phase: "writing", done: 0, total: 1 } };
  const text = afterChosen(line("sdb"), writing, { is: "error", error }, line(""));
  assert.match(text, /\nerror: \/dev\/sdb cannot be written at 5 GiB: EIO\nhint: Take another disk\.\n\nNothing boots/);
  assert.ok(text.endsWith("> \n\n[look]\n"));
  const checking: ConsoleEvent = { is: "news", news: { phase: "checking", done: 0, total: 1 } };
  assert.doesNotMatch(afterChosen(line("sdb"), checking, { is: "error", error }), /Nothing boots/);
  // One of a disk that was refused after it was chosen.
  assert.doesNotMatch(afterList(line("2"), { is: "error", error }), /Nothing boots/);
});

test("what is no number of the list, and a disk that cannot be taken, are said to be", () => {
  assert.match(afterList(line("7")), /^7\nThere is no "7" in the list\.\nType a number/);
  assert.match(afterList(line("1; rm")), /There is no "1; rm" in the list/);
  assert.equal(afterList(line("3")), "3\nThat disk cannot be taken: /dev/sdc is mounted: /dev/sdc1 at /mnt.\n> ");
  assert.equal(afterList(line("r")), "r\n\n[look]\n");
  assert.equal(afterList(line("p")), "p\nThe machine is powered off.\n[power-off]\n");
  assert.equal(afterList(line("b")), "b\nThe machine restarts.\n[restart]\n");
});

test("without a disk it says so, and can look again", () => {
  assert.equal(
    after({ is: "disks", disks: [] }),
    "There is no disk in this machine.\n\nType r to look again, p to power off, b to restart.\n> ",
  );
});

test("an installation that was begun elsewhere is shown, cannot be stopped here, and has its own ending", () => {
  const begun = afterList({ is: "begun" }, { is: "news", news: { plan: plan(BLANK) } }, { is: "interrupt" }, { is: "begun" });
  assert.equal(
    begun,
    `
An installation is under way: this console shows it.
[follow]

Installing edge 1.2.0 to /dev/vda (Example SSD, serial S4EVNX0M, sata, 32 GiB)

It was not begun here: it goes on.
`,
  );
  const reboot = { installed: { ...installed.installed, after: "reboot" } } as const;
  assert.match(afterList({ is: "begun" }, { is: "news", news: reboot }), /Remove the medium\. The machine restarts\.\n$/);
  assert.match(
    afterList({ is: "begun" }, { is: "news", news: installed }, line("")),
    /Then restart the machine\.\n\n\[look\]\n$/,
  );
});

test("what keeps the machine from installing by itself is shown, once for each change", () => {
  const stopped: ConsoleEvent = {
    is: "automatic",
    status: { is: "stopped", text: "/dev/sdb holds data: ext4", hint: "If it may be lost, say so: wipe." },
  };
  const lines = "Not installed by itself: /dev/sdb holds data: ext4\n  If it may be lost, say so: wipe.\n";
  assert.equal(afterList(stopped, stopped), `\n${lines}> `);
  assert.ok(after(stopped, listed).includes(`${lines}\nType a number`));
  const waiting: ConsoleEvent = { is: "automatic", status: { is: "waiting", text: "no network" } };
  assert.equal(afterList(waiting, { is: "automatic", status: { is: "none" } }), "\nWaiting to install by itself: no network\n> ");
});

test("more than ten things on a disk are counted", () => {
  const many = disk("sdd", { found: Array.from({ length: 14 }, (_, n) => `ext4 number ${n}`) });
  assert.match(afterList(line("2"), { is: "plan", plan: plan(many) }), /ext4 number 9\n  and 4 more\n\n/);
});

test("the key of a machine that waits for an owner stands in the heading", () => {
  const [heading] = newConsole({ name: "edge", version: "1.2.0" }, `SHA256:${"x".repeat(43)}`).effects;
  assert.equal(
    heading?.do === "print" ? heading.lines.slice(5).join("\n") : "",
    `
It waits for its owner at port 50000, too: petrify apply-config --insecure
installs it from elsewhere. Its key is

  SHA256:${"x".repeat(43)}
`,
  );
});
