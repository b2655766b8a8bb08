import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { RecordFacts } from "../layout/record-change.ts";
import type { SlotName } from "../layout/slots.ts";
import { nextStep, type Finding, type Findings, type RecoverySituation } from "./recovery.ts";

suite("what recovery does next", () => {
  const whole: Finding = { is: "whole" };
  const damaged: Finding = { is: "damaged", why: "block 7" };
  const empty: Finding = { is: "empty" };
  const lost: Finding = { is: "lost", why: "it holds no file system" };
  const unknown: Finding = { is: "unknown", why: "the disk has no state partition" };
  const record = (active: SlotName): RecordFacts["found"] => ({
    ...{ is: "whole", sequence: 1 },
    record: { active, slots: { a: { state: "proven" }, b: { state: "proven" } }, recovery: 1 },
  });
  const found = (a: Finding, b: Finding): { readonly findings: Findings } => ({ findings: { a, b } });
  const last = (slot: SlotName): Partial<RecoverySituation> => ({ attempts: { count: 1, slot }, uptime: 1_800_000 });
  const situation = (more: Partial<RecoverySituation>): RecoverySituation => ({
    ...{ asked: false, found: record("a"), busy: false, attempts: { count: 0 }, since: 0, uptime: 300_000 },
    ...{ afterSeconds: [300, 1800, 21_600], findings: undefined },
    ...more,
  });
  for (const [what, given, wanted] of [
    ["rests when somebody asked for it", { asked: true }, "rest"],
    ["rests when somebody asked for it, whatever it knows", { asked: true, ...found(whole, whole) }, "rest"],
    ["leaves a newer record alone", { found: { is: "newer", sequence: 1, format: 2 } }, "rest"],
    ["never disturbs an operation", { busy: true, ...found(whole, whole) }, "stand-by"],
    ["waits five minutes from the start of its boot", { uptime: 299_999 }, "wait"],
    ["then looks at the slots", {}, "verify"],
    ["waits half an hour the second time", { attempts: { count: 1 }, uptime: 1_799_999 }, "wait"],
    ["waits six hours the third time", { attempts: { count: 2 }, uptime: 21_599_999 }, "wait"],
    ["and every time after it", { attempts: { count: 9 }, uptime: 21_599_999 }, "wait"],
    ["but not longer", { attempts: { count: 9 }, uptime: 21_600_000 }, "verify"],
    ["waits from the end of what was done", { since: 100, uptime: 300_099 }, "wait"],
    ["boots the active slot where both are whole", found(whole, whole), "give-back a"],
    ["boots the active slot where both are whole (b)", { found: record("b"), ...found(whole, whole) }, "give-back b"],
    ["boots the other one when the active one came back", { ...last("a"), ...found(whole, whole) }, "give-back b"],
    ["boots the one that is whole", found(damaged, whole), "give-back b"],
    ["boots a whole one though the other cannot be looked at", found(unknown, whole), "give-back b"],
    ["installs itself in the other one when the whole one came back", { ...last("b"), ...found(damaged, whole) }, "re-install a"],
    ["gives it another chance when there is nothing else", { ...last("b"), ...found(unknown, whole) }, "give-back b"],
    ["installs itself when both are damaged", found(damaged, damaged), "re-install a"],
    ["installs itself when both are empty", found(empty, empty), "re-install a"],
    ["installs itself in the other one the next time", { ...last("a"), ...found(damaged, damaged) }, "re-install b"],
    ["writes to no slot that nobody can look at", found(unknown, damaged), "re-install b"],
    ["not even again", { ...last("b"), ...found(unknown, damaged) }, "re-install b"],
    ["writes nothing when neither can be looked at", found(unknown, unknown), "give-up"],
    ["makes a state partition anew that has no place for an image", found(lost, lost), "remake-store"],
    ["even if one slot has one, for an image that is damaged", found(damaged, lost), "remake-store"],
    ["or for none", found(lost, empty), "remake-store"],
    ["whichever slot had its turn the last time", { ...last("a"), ...found(lost, lost) }, "remake-store"],
    ["but never while a slot is whole", found(lost, whole), "give-back b"],
    ["not even if that one came back", { ...last("b"), ...found(lost, whole) }, "give-back b"],
    ["nor while a slot cannot be looked at", found(lost, unknown), "give-up"],
    ["nor that it cannot write to a slot that has no place", { ...last("a"), ...found(unknown, lost) }, "give-up"],
    ["and never disturbs an operation for it", { busy: true, ...found(lost, lost) }, "stand-by"],
    ["nor somebody who asked for recovery", { asked: true, ...found(lost, lost) }, "rest"],
    [
      "makes an unreadable record anew before it",
      { found: { is: "unreadable", why: "damaged" }, ...found(lost, lost) },
      "renew-record",
    ],
    [
      "makes an unreadable record anew, once it knows what is whole",
      { found: { is: "unreadable", why: "damaged" }, ...found(damaged, whole) },
      "renew-record b",
    ],
    ["looks at the slots before that", { found: { is: "unreadable", why: "damaged" } }, "verify"],
  ] as const satisfies (readonly [string, Partial<RecoverySituation>, string])[]) {
    test(what, () => {
      const step = nextStep(situation(given));
      const object = "slot" in step ? step.slot : "target" in step ? step.target : "whole" in step ? step.whole.join() : "";
      assert.equal(`${step.do} ${object}`.trim(), wanted);
    });
  }
});
