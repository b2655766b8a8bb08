/** Test double of a boot: the loader's rules choose what of a disk in memory runs, and the agent runs on it. */
import assert from "node:assert/strict";
import { decide } from "../layout/boot-rules.ts";
import { SLOTS, type SlotName } from "../layout/slots.ts";
import { openAgent, type Agent } from "./agent.ts";
import { fakeMachine, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { cutPower, PowerCut } from "./fake-power.ts";

export interface Boot {
  readonly slot: SlotName | "recovery";
  readonly machine: FakeMachine;
  /** Not to be asked for where the power went. */
  readonly agent: Agent;
  /** Whether it did. */
  readonly isCut: boolean;
}
export interface BootOptions {
  readonly ask?: (agent: Agent, signal: AbortSignal) => Promise<unknown>;
  readonly cutAfter?: number;
  /** How long it runs, in milliseconds; a restart ends it before. */
  readonly until?: number;
  /** @param stop ends it in good order */
  readonly prepare?: (machine: FakeMachine, stop: () => void) => void;
  /** Default: recovery hardly waits. */
  readonly after?: readonly number[];
  /** Default: another one each time. */
  readonly id?: string;
}
let boots = 0;

/** A slot whose image is damaged does not get as far as its agent; one that is half written does not even pass the loader's check. */
export async function boot(on: FakeDisk, options: BootOptions = {}): Promise<Boot> {
  const { ask, cutAfter = Infinity, until = 200_000, prepare, after = [5], id = `boot-${++boots}` } = options;
  const holds = (slot: SlotName): string => on.places?.[slot] ?? "nothing";
  const isRotten = (slot: SlotName): boolean => on.rotten?.[holds(slot)] !== undefined;
  const isFound = (slot: SlotName): boolean =>
    on.lost?.[slot] === undefined && on.storeUnreadable === undefined && !["half", "blank"].includes(holds(slot));
  for (;;) {
    const whole = { a: isFound("a"), b: isFound("b"), recovery1: true, recovery2: true };
    const decided = decide({ record: on.recordUnreadable ? undefined : on.record, tries: on.tries, whole, saves: true });
    on.tries = decided.tries ?? on.tries;
    const image = decided.boots!;
    assert.ok(whole[image], "what boots is whole");
    const slot = image === "a" || image === "b" ? image : "recovery";
    if (slot !== "recovery" && isRotten(slot)) continue;
    const stop = new AbortController();
    const machine = fakeMachine(on, { id, slot, stop });
    machine.onWait = (uptime) => uptime < until;
    Object.assign(machine, { recoveryPlan: { afterSeconds: after } });
    prepare?.(machine, () => stop.abort());
    const isCut = cutPower(on, machine, cutAfter, stop);
    try {
      const agent = await openAgent(machine);
      const asked = ask?.(agent, stop.signal);
      await agent.run(stop.signal);
      await asked;
      return { slot, machine, agent, isCut: isCut() };
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      return {
        ...{ slot, machine, isCut: true },
        get agent(): never {
          throw new Error("the power went, and the agent with it");
        },
      };
    }
  }
}

/** The active slot, and what each slot is and holds. */
export const states = ({ record: { active, slots } }: FakeDisk): string =>
  `${active}: ${SLOTS.map((slot) => `${slots[slot].state} ${slots[slot].digest ?? "-"}`).join(", ")}`;
/** The same, with the tries that each has left. */
export const statesAndTries = ({ record: { active, slots }, tries }: FakeDisk): string =>
  `${active}: ${SLOTS.map((slot) => `${slots[slot].state} ${slots[slot].digest ?? "-"} ${tries[slot]}`).join(", ")}`;
