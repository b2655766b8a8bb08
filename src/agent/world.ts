/** What an agent knows: the boot record, what it remembers, what is wrong. Whatever changes is stored before anything follows from it. */
import type { AgentState } from "../layout/agent-state.ts";
import type { RecordChange, RecordFacts } from "../layout/record-change.ts";
import type { BootTarget } from "../layout/slots.ts";
import type { Tries } from "../layout/tries.ts";
import type { AgentPorts } from "./ports.ts";

export interface World {
  readonly ports: AgentPorts;
  readonly running: BootTarget | "ram";
  /** As it is now, like the following ones. */
  readonly state: AgentState;
  readonly record: RecordFacts;
  /** Sentences by code. */
  readonly alarms: ReadonlyMap<string, string>;
  /** An alarm that is raised with other words is news. */
  readonly raise: (code: string, message: string) => void;
  readonly clear: (code: string) => void;
  /** Never throws: a machine whose state cannot be stored works on, with an alarm. */
  readonly remember: (change: (state: AgentState) => AgentState) => Promise<void>;
  /** Reads the record; what is unreadable is an alarm. */
  readonly readRecord: () => Promise<void>;
  /** Never throws, in the same way. */
  readonly changeRecord: (decide: (facts: RecordFacts) => RecordChange) => Promise<void>;
}

export function openWorld(ports: AgentPorts): World {
  const { store, log } = ports;
  const alarms = new Map<string, string>();
  let state = store.found;
  let record: RecordFacts = { found: { is: "unreadable", why: "there is no disk" }, tries: undefined };
  let storing: Promise<void> = Promise.resolve();

  let changing: Promise<void> = Promise.resolve();

  const changeNow = async (decide: (facts: RecordFacts) => RecordChange): Promise<void> => {
    if (!ports.record) return;
    const { tries } = decide(record);
    // Tries that are taken away are no boots that nobody saw, not even when the power goes in between.
    if (tries && state.tries) await world.remember((old) => ({ ...old, tries: fewest(old.tries ?? tries, tries) }));
    try {
      record = await ports.record.change(decide);
      world.clear("RECORD_NOT_STORED");
    } catch (error) {
      return world.raise("RECORD_NOT_STORED", `the boot record cannot be changed: ${(error as Error).message}`);
    }
    const stored = record.tries;
    if (stored) await world.remember((old) => ({ ...old, tries: stored }));
  };

  const world: World = {
    ports,
    running: ports.facts.slot,
    alarms,
    get state() {
      return state;
    },
    get record() {
      return record;
    },
    raise: (code, message) => {
      if (alarms.get(code) === message) return;
      alarms.set(code, message);
      log("alarm", message, { kind: "alarm-raised", alarm: { code } });
    },
    clear: (code) => {
      const message = alarms.get(code);
      if (alarms.delete(code)) log("info", `no longer: ${message}`, { kind: "alarm-cleared", alarm: { code } });
    },
    remember: async (change) => {
      state = change(state);
      const before = storing;
      // One after the other: the newest state is what is stored in the end.
      storing = (async () => {
        await before;
        try {
          await store.store(state);
          world.clear("STATE_NOT_STORED");
        } catch (error) {
          world.raise("STATE_NOT_STORED", `what this machine remembers cannot be stored: ${(error as Error).message}`);
        }
      })();
      await storing;
    },
    readRecord: async () => {
      if (!ports.record) return;
      try {
        record = await ports.record.read();
      } catch (error) {
        world.raise("RECORD_UNREADABLE", `the boot record cannot be read: ${(error as Error).message}`);
      }
      if (record.found.is === "newer")
        world.raise("RECORD_NEWER", "the boot record was written by newer software: it is left alone");
      if (record.found.is === "unreadable")
        world.raise("RECORD_UNREADABLE", `the boot record is unreadable: ${record.found.why}`);
    },
    changeRecord: async (decide) => {
      const before = changing;
      // One after the other, for the same reason: each decides by what the one before has left.
      changing = (async () => {
        await before.catch(() => {}); // whoever asked for that one is told
        await changeNow(decide);
      })();
      await changing;
    },
  };
  return world;
}

const fewest = (one: Tries, other: Tries): Tries => ({ ...other, a: Math.min(one.a, other.a), b: Math.min(one.b, other.b) });

/** Whether an upgrade takes a machine config along. From recovery and from memory none does. */
export const hasConfig = ({ running, ports }: Pick<World, "running" | "ports">): boolean =>
  (running === "a" || running === "b") && ports.machineConfig.now().config?.generation !== undefined;
