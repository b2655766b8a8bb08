import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fakeUpdates } from "../../config/updates/fake-updates.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import { EMPTY_UPDATES, type KnownRelease, type UpdatesState } from "../../layout/updates-state.ts";
import { decide, type UpdateBecause, type UpdateFacts, type UpdateStep } from "./decide.ts";

const at = (text: string): number => Date.parse(text) / 1000;
/** A Saturday, half an hour into the window. */
const NOW = at("2026-11-28T01:30Z");
const HOUR = 3600;
const RELEASE: KnownRelease = {
  ...{ image: "new", version: "1.5.0", created: at("2026-11-20T00:00Z"), security: false },
  reference: "registry.example/edge@sha256:5",
};
const FACTS: UpdateFacts = {
  ...{
    clockIsSet: true,
    running: { is: "proven", image: "old" },
    at: "downloaded",
    locks: [],
    isMetered: false,
    uptime: 30 * HOUR,
  },
};
const STATE: UpdatesState = { ...EMPTY_UPDATES, release: RELEASE };
/** Staging has ended a minute ago, or so many seconds. */
const staged = (spent: number, ago = 60): NonNullable<UpdatesState["began"]> => ({
  image: "new",
  uptime: 30 * HOUR - ago - spent,
  spent,
});
const CONFIG = fakeUpdates({
  mode: "apply",
  windows: [{ days: ["sat"], start: "02:00", length: 3 * HOUR, zone: "Europe/Berlin" }],
});
const COORDINATED = { coordination: { fleetlock: { url: "https://lock.example", group: "default" } } } as const;

interface About {
  readonly config?: Partial<UpdatesConfig>;
  readonly state?: Partial<UpdatesState>;
  readonly facts?: Partial<UpdateFacts>;
  readonly now?: number;
}
const decided = ({ config = {}, state = {}, facts = {}, now = NOW }: About) =>
  decide({
    config: { ...CONFIG, ...config },
    state: { ...STATE, lookedAt: now - HOUR, ...state },
    facts: { ...FACTS, ...facts },
    now,
  });
const failure = (count: number, ago: number) => ({ image: "new", count, at: NOW - ago, reason: "the line is down" });
const left = {
  operation: "00c0ffee",
  image: "new",
  version: "1.5.0",
  created: RELEASE.created,
  at: NOW - 9 * HOUR,
  reason: "web: refused",
};

suite("what comes next", () => {
  const cases: readonly (readonly [
    what: string,
    about: About,
    step: UpdateStep["do"],
    because: UpdateBecause,
    again?: number,
  ])[] = [
    ["in its window it is staged: verified once more, and made what boots", {}, "stage", "due"],
    ["staged, it is restarted into", { state: { began: staged(30) }, facts: { at: "staged" } }, "restart", "due"],
    [
      "staged a while ago, it is verified again first",
      { state: { began: staged(30, 600) }, facts: { at: "staged" } },
      "stage",
      "due",
    ],
    ["staged by somebody, it is verified again first", { facts: { at: "staged" } }, "stage", "due"],
    [
      "staged in another boot, it is verified again first",
      { state: { began: staged(30) }, facts: { at: "staged", uptime: 200 } },
      "stage",
      "due",
    ],
    ["what is elsewhere is downloaded, at any time", { facts: { at: "elsewhere" }, now: NOW - 3 * HOUR }, "download", "due"],
    ["it is time to look", { state: { lookedAt: NOW - 6 * HOUR } }, "look", "due"],
    [
      "chance makes it later",
      { config: { check: { every: 6 * HOUR, jitter: HOUR } }, state: { lookedAt: NOW - 6 * HOUR, chance: 0.5 } },
      "stage",
      "due",
    ],
    ["the config names another source", { state: { lookedFor: "elsewhere/edge {}" } }, "look", "due"],
    [
      "nothing is known since looking has failed",
      { state: { release: undefined as never, lookedAt: NOW - 9, lookFailure: failure(1, 9) } },
      "nothing",
      "retry",
    ],
    ["nobody has looked yet", { state: { lookedAt: undefined as never } }, "look", "due"],
    [
      "a look that is overdue waits for the machine's chance after a start",
      {
        state: { lookedAt: NOW - 90 * HOUR, chance: 0.5 },
        facts: { uptime: 60 },
        config: { check: { every: 6 * HOUR, jitter: HOUR } },
      },
      "stage",
      "due",
    ],
    ["the last look was in the future: the clock was wrong", { state: { lookedAt: NOW + HOUR } }, "look", "due"],
    ["a look that failed is tried again soon", { state: { lookedAt: NOW - 301, lookFailure: failure(1, 301) } }, "look", "due"],
    ["a look that failed often later", { state: { lookedAt: NOW - 301, lookFailure: failure(2, 301) } }, "stage", "due"],
    ["the source has nothing newer", { state: { release: undefined as never } }, "nothing", "current", NOW + 5 * HOUR],
    ["it runs", { facts: { running: { is: "proven", image: "new" } } }, "nothing", "current", NOW + 5 * HOUR],
    ["no source", { config: { source: undefined as never } }, "nothing", "no source"],
    ["a trial runs", { facts: { running: { is: "trial", image: "old" } } }, "nothing", "trial", NOW + 60],
    ["recovery runs", { facts: { running: { is: "other", image: "" } } }, "nothing", "not a slot"],
    ["the clock is not set", { facts: { clockIsSet: false } }, "nothing", "clock not set", NOW + 60],
    ["an operation is under way", { facts: { busy: "a rollback is under way" } }, "nothing", "busy", NOW + 60],
    ["it only tells", { config: { mode: "notify" } }, "nothing", "told only"],
    ["it only downloads", { config: { mode: "download" } }, "nothing", "mode"],
    [
      "it stages outside a window, and is not asked for a restart",
      { config: { mode: "stage" }, now: NOW - 3 * HOUR },
      "stage",
      "due",
    ],
    ["it stages what is elsewhere in one go", { config: { mode: "stage" }, facts: { at: "elsewhere" } }, "stage", "due"],
    ["staged, it waits for a restart", { config: { mode: "stage" }, facts: { at: "staged" } }, "nothing", "mode"],
    ["it is paused", { state: { paused: { at: 1, by: "ops" } } }, "nothing", "paused", NOW + 5 * HOUR],
    ["a pause ends", { state: { paused: { at: 1, by: "ops", until: NOW + HOUR } } }, "nothing", "paused", NOW + HOUR],
    ["a pause is over", { state: { paused: { at: 1, by: "ops", until: NOW } } }, "stage", "due"],
    ["it is held", { config: { holdUntil: NOW + 2 * HOUR } }, "nothing", "hold", NOW + 2 * HOUR],
    ["it is too young", { config: { minAge: NOW - RELEASE.created + HOUR } }, "nothing", "too young", NOW + HOUR],
    ["the line is metered", { facts: { at: "elsewhere", isMetered: true } }, "nothing", "metered"],
    [
      "a metered line may be used",
      { facts: { at: "elsewhere", isMetered: true }, config: { metered: "download" } },
      "download",
      "due",
    ],
    ["the window has not opened", { now: NOW - HOUR }, "nothing", "window", at("2026-11-28T01:00Z")],
    ["so much of the window is left that it is enough", { now: at("2026-11-28T03:50Z") }, "stage", "due"],
    ["a minute less will do: nobody looks just when a window opens", { now: at("2026-11-28T03:51Z") }, "stage", "due"],
    ["too little of the window is left", { now: at("2026-11-28T03:52Z") }, "nothing", "window"],
    [
      "of an update that is staged the rest has to fit",
      { state: { began: staged(240) }, facts: { at: "staged" }, now: at("2026-11-28T03:54Z") },
      "restart",
      "due",
    ],
    [
      "what staging another image took says nothing",
      { state: { began: { ...staged(240), image: "other" } }, facts: { at: "staged" }, now: at("2026-11-28T03:54Z") },
      "nothing",
      "window",
    ],
    ["the last update took longer than any window", { state: { took: 4 * HOUR } }, "nothing", "no window"],
    [
      "exceptions cover every window",
      { config: { exceptions: [{ from: "2026-01-01", to: "2099-01-01" }] } },
      "nothing",
      "no window",
    ],
    [
      "a security release that is overdue waits for no window",
      { state: { release: { ...RELEASE, security: true } }, config: { maxDelay: 24 * HOUR }, now: NOW - 3 * HOUR },
      "stage",
      "due",
    ],
    ["another one that is overdue does", { config: { maxDelay: 24 * HOUR }, now: NOW - HOUR }, "nothing", "window"],
    [
      "a security release is asked for again when it is overdue",
      {
        state: { release: { ...RELEASE, security: true, created: NOW - 26 * HOUR } },
        config: { maxDelay: 26 * HOUR },
        now: NOW - HOUR,
      },
      "nothing",
      "window",
      NOW - 1800,
    ],
    ["an application wants no restart", { facts: { locks: [{ name: "backup", left: 30 }] } }, "nothing", "lock", NOW + 30],
    ["it fell back here", { state: { left: [left] } }, "nothing", "fell back"],
    ["it fell back here, and somebody wants it again", { state: { left: [{ ...left, again: true }] } }, "stage", "due"],
    ["another one fell back here", { state: { left: [{ ...left, image: "other" }] } }, "stage", "due"],
    ["it has failed a moment ago", { state: { failure: failure(1, 10) } }, "nothing", "retry", NOW + 290],
    ["it has failed a while ago", { state: { failure: failure(1, 300) } }, "stage", "due"],
    ["it has failed in the future: the clock was wrong", { state: { failure: failure(1, -9 * HOUR) } }, "stage", "due"],
    [
      "it has failed too often",
      { state: { failure: failure(3, 9 * HOUR) }, config: { retry: { first: 60, longest: 60, limit: 3 } } },
      "nothing",
      "given up",
    ],
    [
      "told to, it needs no window, no age, no mode, and is not paused or held",
      {
        state: { told: { image: "new", at: NOW }, paused: { at: 1, by: "ops" } },
        config: { mode: "notify", holdUntil: NOW + HOUR, minAge: 900 * HOUR },
        now: NOW - 3 * HOUR,
      },
      "stage",
      "due",
    ],
    [
      "told to, it waits for locks",
      { state: { told: { image: "new", at: NOW } }, facts: { locks: [{ name: "backup", left: 30 }] } },
      "nothing",
      "lock",
    ],
    [
      "told another one, it waits for its window",
      { state: { told: { image: "other", at: NOW } }, now: NOW - HOUR },
      "nothing",
      "window",
    ],
    ["the fleet's lock comes first", { config: COORDINATED }, "take-lock", "due"],
    ["with the fleet's lock it is staged", { config: COORDINATED, state: { lock: "held" } }, "stage", "due"],
    [
      "whose it is nobody knows after a start: it is taken again",
      { config: COORDINATED, state: { lock: "unsure" } },
      "take-lock",
      "due",
    ],
    [
      "the fleet's lock was refused a moment ago",
      { config: COORDINATED, state: { lockFailure: failure(1, 10) } },
      "nothing",
      "fleet lock",
      NOW + 290,
    ],
    ["the fleet's lock is not taken outside the window", { config: COORDINATED, now: NOW - HOUR }, "nothing", "window"],
    [
      "the fleet's lock is not taken for a window that is too short",
      { config: COORDINATED, state: { took: 4 * HOUR } },
      "nothing",
      "no window",
    ],
    [
      "the fleet's lock is given back when an application wants no restart",
      { config: COORDINATED, state: { lock: "held" }, facts: { locks: [{ name: "backup", left: 30 }] } },
      "give-lock-back",
      "due",
    ],
    [
      "the fleet's lock is given back at each start",
      { config: COORDINATED, state: { lock: "unsure", release: undefined as never } },
      "give-lock-back",
      "due",
    ],
    [
      "the fleet's lock is kept while a trial runs",
      { config: COORDINATED, state: { lock: "unsure" }, facts: { running: { is: "trial", image: "new" } } },
      "nothing",
      "trial",
    ],
    [
      "the fleet's lock is kept in recovery",
      { config: COORDINATED, state: { lock: "unsure" }, facts: { running: { is: "other", image: "" } } },
      "nothing",
      "not a slot",
    ],
    [
      "the fleet's server was down a moment ago",
      { config: COORDINATED, state: { lock: "unsure", release: undefined as never, lockFailure: failure(1, 10) } },
      "nothing",
      "current",
      NOW + 290,
    ],
  ];
  for (const [what, about, step, because, again] of cases) {
    test(what, () => {
      const decision = decided(about);
      assert.deepEqual([decision.step.do, decision.because], [step, because], decision.why);
      if (again !== undefined) assert.equal(decision.again, again);
      assert.equal(decision.again === undefined, step !== "nothing");
      assert.ok(decision.again === undefined || decision.again > (about.now ?? NOW));
    });
  }
});

test("why is a sentence that names what it waits for", () => {
  const why = (about: About): string => decided(about).why;
  assert.equal(why({ now: NOW - HOUR }), "1.5.0: the next window opens at 2026-11-28 01:00:00 UTC");
  assert.equal(
    why({ facts: { locks: [{ name: "backup", left: 600, reason: "nightly" }] } }),
    "1.5.0: the lock backup (nightly) ends in 10 min",
  );
  assert.equal(why({ state: { took: 4 * HOUR } }), "1.5.0: no window is as long as the 4 h that the last update took");
  assert.equal(why({ state: { paused: { at: 1, by: "ops", reason: "fair" } } }), "1.5.0: paused by ops: fair");
  assert.equal(why({ state: { left: [left] } }), "1.5.0: it fell back here on 2026-11-27 16:30:00 UTC: web: refused");
});
