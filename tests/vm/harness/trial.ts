import type { Patch } from "../../../src/layout/patch.ts";
import type { FixtureOptions } from "./fixture.ts";
import type { Places } from "./places.ts";

/** Where slot b's image of {@link FAILING} expects an answer. */
export const ENDPOINT = "http://127.0.0.1:8099/healthz";
/** Slot b has an image that is not healthy unless a test helps. */
export const FAILING: FixtureOptions = {
  slotB: {
    health: `{ deadline: 30s, checks: [{ http: "${ENDPOINT}" }, { command: [/usr/lib/petrify-test/check], name: switch }] }`,
  },
};

/** Slot b has another image than slot a; it is healthy once a test says so. */
export const UPDATE: FixtureOptions = {
  slotB: { health: "{ deadline: 15min, checks: [{ command: [/usr/lib/petrify-test/check], name: switch }] }" },
};
export const SWITCH_ON = "touch /run/petrify-test.healthy";

/** A disk whose slot b is empty. */
export const withEmptyB = (places: Places): readonly Patch[] =>
  places.record((record) => ({ ...record, slots: { ...record.slots, b: { state: "empty" } } }), { a: 6, b: 0 });

/** Both slots have an image that is not healthy for a long time. */
export const WAITING: FixtureOptions = { health: "{ deadline: 10min, checks: [{ command: [/usr/lib/petrify-test/check] }] }" };

/** A disk whose slot b has just got an update: on trial and active. */
export const onTrial = (places: Places, tries: number): readonly Patch[] =>
  places.record((record) => ({ ...record, active: "b", slots: { ...record.slots, b: { ...record.slots.b, state: "trial" } } }), {
    a: 6,
    b: tries,
  });
