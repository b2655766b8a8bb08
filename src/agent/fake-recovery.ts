/** A machine in memory for tests that boots into recovery, and what it is seen to do there. */
import type { ImageSummary } from "../layout/operation.ts";
import type { SlotState } from "../layout/slots.ts";
import { freshDisk, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { NEW } from "./operations/fake-upgrades.ts";

/** What recovery itself is, and so what it installs. */
export const OWN: ImageSummary = { name: "edge", version: "0.9", digest: "rr", size: 64_000_000 };
export const LOST = { a: "it holds no file system", b: "it holds no file system" } as const;
export const ROTTEN = { aa: "block 7", bb: "block 8" } as const;

/** Nothing that the loader would boot. */
export function stranded(a: SlotState, b: SlotState, more: Partial<FakeDisk> = {}): FakeDisk {
  const slot = (state: SlotState, digest: string) => (state === "empty" ? { state } : { state, digest });
  return freshDisk({
    record: { active: "a", slots: { a: slot(a, "aa"), b: slot(b, "bb") }, recovery: 1 },
    ...{ tries: { a: 0, b: 0 }, places: { a: "aa", b: "bb" }, images: { recovery: OWN, "/new.img": NEW } },
    ...more,
  });
}

export const steps = (machine: FakeMachine): readonly string[] =>
  machine.said.flatMap((line) => /^alarm: recovery: (.*)$/.exec(line)?.[1] ?? []);
export const written = ({ done }: FakeMachine): readonly string[] => done.filter((line) => line.startsWith("write"));
