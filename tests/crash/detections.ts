/** What has to be noticed when a safety measure is left out: by the lab (lab/faults.ts), or by taking flushes out of a log. */
import type { Controller } from "../../src/vm/options.ts";
import { cutPower, rejudge, type Cut, type CutResult, type Failure, type Matrix } from "./matrix.ts";
import type { LogEntry } from "./recorder.ts";
import { frequent, type Detection } from "./report.ts";
import { cutOf } from "./run-matrix.ts";

export interface Omission {
  /** For the report. */
  readonly left: string;
  readonly scenario: string;
  /** Of lab/faults.ts. */
  readonly without?: readonly string[];
  /** The same, of the machine that goes on after the cut. */
  readonly withoutAgain?: readonly string[];
  /** The log as it would be, had flushes not been issued. */
  readonly change?: (log: readonly LogEntry[]) => readonly LogEntry[];
  /** A part of the short run. */
  readonly inShard?: true;
  /** What is said of at least one state. */
  readonly says: RegExp;
}

const untilMark = (log: readonly LogEntry[], text: string): number =>
  log.findIndex((entry) => entry.is === "mark" && entry.text === text);

export const OMISSIONS: readonly Omission[] = [
  {
    left: "the flush after the boot record is written",
    scenario: "health commit",
    without: ["record-flush"],
    says: /the record is neither|the tries are neither/,
  },
  {
    left: "the record's turn before the tries",
    scenario: "health commit",
    without: ["record-first"],
    inShard: true,
    says: /slot a is on trial and has 6 tries/,
  },
  {
    left: "the flush after the agent's state is written",
    scenario: "agent state, tries restored",
    without: ["state-flush"],
    says: /the agent's state is number \d+, and number \d+ was stored/,
  },
  {
    left: "the mark that the target is empty",
    scenario: "upgrade",
    without: ["empty-mark"],
    inShard: true,
    says: /slot b is proven by the record, and its image is not whole/,
  },
  {
    left: "reading back, on a medium that flips a bit",
    scenario: "upgrade",
    without: ["sound-medium", "read-back"],
    says: /slot b is trial by the record, and its image is not whole/,
  },
  {
    left: "the fixed place of an image: another file, and a rename",
    scenario: "upgrade",
    without: ["fixed-place"],
    says: /slot b holds newer, and the record has another digest/, // GRUB replays no journal: it sees the old file
  },
  {
    left: "the comparison of what a slot has already, when the machine goes on",
    scenario: "upgrade by a delta",
    withoutAgain: ["place-check"],
    says: /in the end there is "a" where "b" is to be/, // it is read back, and refused
  },
  {
    left: "that comparison, and reading back",
    scenario: "upgrade by a delta",
    withoutAgain: ["place-check", "read-back"],
    says: /slot b is trial by the record, and its image is not whole/,
  },
  {
    left: "the keeping of the keys that the image brings",
    scenario: "upgrade by a delta",
    without: ["kept-keys"],
    says: /an image may boot, and the keys that it brings are not kept/,
  },
  {
    left: "the wiping of the persistent partition",
    scenario: "reset",
    without: ["wipe"],
    says: /all is written by the order, and data of before is there/,
  },
  {
    left: "the note that all is written, before the slots boot again",
    scenario: "reset",
    without: ["written-note"],
    says: /the slots are open, and not what they were/,
  },
  {
    left: "the flushes between the parts of a partition table",
    scenario: "first boot",
    change: (log) => {
      const begun = untilMark(log, "begun");
      return log.filter((entry, at) => entry.is !== "flush" || at > begun);
    },
    says: /the partition table is damaged|there is no partition table/,
  },
];

export async function detect(
  matrix: Matrix,
  omission: Omission,
  controller: Controller,
): Promise<Detection & { readonly found: boolean }> {
  const { left, scenario, without = [], withoutAgain, change, says } = omission;
  const goesOn = withoutAgain ? { withoutAgain, goOn: 1 } : {};
  const cut: Cut = cutOf(matrix, scenario, { controller, seed: 7, statesAnEpoch: 60, boots: 0, without, ...goesOn });
  const recorded = await cutPower(matrix, cut);
  const result: CutResult = change ? await rejudge(matrix, recorded, change(recorded.log)) : recorded;
  const failures = [result, ...result.again].flatMap((one) => one.failures);
  const fitting = frequent(
    failures.map((failure): Failure => ({ ...failure, problems: failure.problems.filter((text) => says.test(text)) })),
  );
  const [example = frequent(failures)[0] ?? "nothing"] = fitting;
  return { left, scenario, failures: failures.length, example, found: fitting.length > 0 };
}
