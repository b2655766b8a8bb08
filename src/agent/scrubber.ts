/** Verifies the images on the disk, and draws the consequence. What and when: verification.ts. */
import { targetName } from "../layout/cmdline.ts";
import { markBad, restoreTries } from "../layout/record-change.ts";
import type { SlotName } from "../layout/slots.ts";
import { endBoot } from "./boot-history.ts";
import type { VerificationProgress, VerificationResult } from "./ports.ts";
import type { AgentStatus } from "./status.ts";
import {
  consequenceOf,
  knownDamage,
  nextVerification,
  VERIFIABLE,
  withScrub,
  type Verifiable,
  type Verification,
} from "./verification.ts";
import type { World } from "./world.ts";

export interface ScrubEvent {
  readonly image: Verifiable;
  readonly percent?: number;
  readonly result?: VerificationResult;
}

export interface Scrubber {
  readonly verifying: AgentStatus["verifying"];
  /** As soon as there is time for it. */
  readonly ask: (image: Verifiable) => void;
  /** Damage that was found in an earlier boot is an alarm in this one, too. */
  readonly recall: () => void;
  /** Now, and from the start; yields progress, and each image's result. */
  readonly scrub: (images: readonly Verifiable[], signal: AbortSignal) => AsyncIterable<ScrubEvent>;
  /** Whatever is due, until the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

const LOOK_MS = 10_000;
const AGAIN_MS = 3_600_000;

export function openScrubber(world: World): Scrubber {
  const { ports, running, raise, clear, remember } = world;
  const asked = new Set<Verifiable>();
  let verifying: AgentStatus["verifying"];

  const next = (wanted: ReadonlySet<Verifiable>): Verification | undefined =>
    nextVerification({
      state: world.state,
      record: world.record,
      running,
      now: ports.now(),
      asked: wanted,
      jitter: ports.jitter,
    });

  const digestOf = (slot: SlotName): string | undefined => {
    const { found } = world.record;
    return found.is === "whole" ? found.record.slots[slot].digest : undefined;
  };
  const raiseDamage = (image: Verifiable, damage: string): void =>
    raise(`DAMAGED_${image}`, `the image in ${targetName(image)} is damaged: ${damage}`);

  const verify = async (todo: Verification, tell: (event: ScrubEvent) => void, signal: AbortSignal): Promise<void> => {
    const { image, from, digest = "" } = todo;
    const { found } = world.record;
    ports.log("info", `verifying ${targetName(image)}${from > 0 ? ` from block ${from} on` : ""}`);
    const progress = ({ blocks, done, total }: VerificationProgress): void => {
      const percent = Math.floor((100 * done) / Math.max(1, total));
      verifying = { what: targetName(image), percent };
      tell({ image, percent });
      void remember((old) => ({ ...old, verifying: { slot: image, digest, blocks } }));
    };
    try {
      const result = await ports.verify(todo, found.is === "whole" ? found.record.recovery : 1, progress, signal);
      // It was written to meanwhile: what was seen is no longer there.
      if (image !== "recovery" && digestOf(image) !== todo.digest) return;
      // A clock that was set back since this boot began: the result is newer all the same, else it would be asked for again and again.
      const at = Math.max(Math.floor(ports.now()), world.state.boots.at(-1)?.at ?? 0);
      await remember((old) => withScrub(old, image, { at, ...result }));
      tell({ image, result });
      if (result.damage === undefined) {
        clear(`DAMAGED_${image}`);
        if (image === running) await world.changeRecord((facts) => restoreTries(running, facts)); // it was in doubt
        ports.log("info", `${targetName(image)} is whole`);
      } else await giveUp(image, result.damage);
    } finally {
      verifying = undefined;
    }
  };

  const giveUp = async (image: Verifiable, damage: string): Promise<void> => {
    raiseDamage(image, damage);
    const consequence = consequenceOf(image, running, world.record);
    if (consequence.do === "alarm") return;
    await world.changeRecord((found) => markBad(consequence.slot, found));
    if (!consequence.restart) return;
    await remember((old) => endBoot(old, { how: "damaged", reason: damage }));
    ports.log("info", `${targetName(image)} is left: it is damaged`, {
      kind: "boot-failed",
      boot: { slot: running, version: ports.facts.image?.version ?? "", ending: "damaged", reason: damage },
    });
    await ports.init.restart(`${targetName(image)} is damaged`);
  };

  return {
    get verifying() {
      return verifying;
    },
    ask: (image) => void asked.add(image),
    recall: () => {
      for (const image of VERIFIABLE) {
        const damage = knownDamage(image, world.state, world.record);
        if (damage !== undefined) raiseDamage(image, damage);
      }
    },
    scrub: async function* (images, signal) {
      for (const image of images) {
        const todo = next(new Set([image]));
        if (todo?.image !== image) continue;
        yield* new ReadableStream<ScrubEvent>({
          start: async (events) => {
            await verify({ ...todo, from: 0 }, (event) => events.enqueue(event), signal);
            events.close();
          },
        });
      }
    },
    loop: async (signal) => {
      if (running === "ram") return;
      for (;;) {
        const todo = next(asked);
        if (!todo) {
          await ports.wait(LOOK_MS, signal);
          continue;
        }
        asked.delete(todo.image);
        await verify(todo, () => {}, signal).catch(async (error: unknown) => {
          signal.throwIfAborted();
          raise(`UNVERIFIED_${todo.image}`, `${targetName(todo.image)} cannot be verified: ${(error as Error).message}`);
          await ports.wait(AGAIN_MS, signal);
        });
      }
    },
  };
}
