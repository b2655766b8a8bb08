import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { DAY } from "../../config/updates/calendar.ts";
import { fakeUpdates } from "../../config/updates/fake-updates.ts";
import { WEEKDAYS, type UpdatesConfig, type Weekday } from "../../config/updates/updates-config.ts";
import { lookKey } from "./decide.ts";
import { FakeFleet, FakeNode, type FakeRelease } from "./fake-node.ts";

const START = Date.parse("2026-01-01T00:00Z") / 1000;
const YEAR = 365 * DAY;
const HOUR = 3600;

/** Numbers by chance that are the same for the same seed. Source: mulberry32, T. Ettinger */
function chances(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const release = (index: number, created: number, isGood: boolean, security: boolean): FakeRelease => ({
  ...{
    image: `image-${index}`,
    version: `1.${index}.0`,
    created,
    security,
    reference: `registry.example/edge@sha256:${index}`,
    isGood,
  },
});

const ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"];
const WINDOW = fc.record({
  zone: fc.constantFrom(...ZONES),
  start: fc.tuple(fc.nat(23), fc.nat(59)).map((parts) => parts.map((part) => String(part).padStart(2, "0")).join(":")),
  length: fc.integer({ min: 1800, max: 6 * HOUR }),
  days: fc.subarray<Weekday>([...WEEKDAYS], { minLength: 1 }),
});
const CONFIG: fc.Arbitrary<UpdatesConfig> = fc
  .record({
    mode: fc.constantFrom<UpdatesConfig["mode"]>("apply", "apply", "apply", "stage", "download", "notify"),
    windows: fc.array(WINDOW, { maxLength: 2 }),
    exceptions: fc.constantFrom([], [{ from: "2026-12-20", to: "2027-01-06" }]),
    minAge: fc.constantFrom(0, 2 * DAY),
    every: fc.constantFrom(12 * HOUR, DAY),
    jitter: fc.constantFrom(0, HOUR),
    maxDelay: fc.constantFrom(undefined, 3 * DAY),
    holdUntil: fc.constantFrom(undefined, START + 40 * DAY),
    limit: fc.constantFrom(undefined, 5),
    isCoordinated: fc.boolean(),
  })
  .map(({ every, jitter, maxDelay, holdUntil, limit, isCoordinated, mode, ...rest }) =>
    fakeUpdates({
      ...{ ...rest, mode, check: { every, jitter } },
      retry: { first: 300, longest: 6 * HOUR, ...(limit !== undefined && { limit }) },
      ...(maxDelay !== undefined && { maxDelay }),
      ...(holdUntil !== undefined && { holdUntil }),
      ...(isCoordinated && { coordination: { fleetlock: { url: "https://lock.example", group: "default" } } }),
    }),
  );

/** Two years and a half of whatever may come, then peace. */
function live(
  config: UpdatesConfig,
  seed: number,
): { readonly node: FakeNode; readonly releases: FakeRelease[]; readonly fleet: FakeFleet } {
  const random = chances(seed);
  const isNow = (each: number): boolean => random() < 1 / each;
  const releases: FakeRelease[] = [release(0, START - 10 * DAY, true, false)];
  const fleet = new FakeFleet(1);
  const node = new FakeNode(
    { id: "node", config, random, releases: () => releases, start: START, ...(config.coordination && { fleet }) },
    releases[0]!,
  );
  const end = START + 2.5 * YEAR;
  while (node.time < end) {
    if (isNow(200)) releases.push(release(releases.length, Math.floor(node.time), random() > 0.3, random() < 0.3));
    if (isNow(150)) node.isSourceUp = !node.isSourceUp;
    if (isNow(150)) fleet.isUp = !fleet.isUp;
    if (isNow(200)) node.isMetered = !node.isMetered;
    if (isNow(60)) node.locks.push({ name: "app", until: node.time + random() * 4 * HOUR });
    if (isNow(400)) node.hear({ is: "paused", by: "ops", until: node.now + Math.floor(random() * 20 * DAY) });
    if (isNow(800)) node.hear({ is: "paused", by: "ops" });
    if (isNow(200)) node.hear({ is: "resumed" });
    if (isNow(600)) node.hear({ is: "told" });
    if (isNow(500)) node.clockOff = isNow(2) ? 0 : Math.floor((random() - 0.5) * 60 * DAY);
    if (isNow(300)) node.clockIsSet = !node.clockIsSet;
    if (isNow(100)) node.cut();
    node.turn({ isCut: isNow(20), longest: isNow(50) ? 30 * DAY : 6 * HOUR });
  }
  Object.assign(node, { clockOff: 0, clockIsSet: true, isSourceUp: true, isMetered: false, locks: [] });
  fleet.isUp = true;
  node.hear({ is: "resumed" });
  return { node, releases, fleet };
}
const peace = (node: FakeNode, days: number): void => {
  for (const end = node.time + days * DAY; node.time < end;) node.turn({ longest: DAY });
};

suite("years of troubles: cuts at any step, clocks that jump, looks that are missed, sources and servers that are down", () => {
  test(
    "nothing is taken that fell back here, is too young, or comes while it is paused, held or metered; nothing restarts outside a window that is long enough, " +
      "while a lock is held, without the fleet's lock, or in another mode, unless somebody has said so or a security release is overdue",
    () => {
      // What must not happen is asserted at each step, by fake-node.ts.
      fc.assert(
        fc.property(CONFIG, fc.integer(), (config, seed) => void live(config, seed)),
        { numRuns: 25, endOnFailure: true },
      );
    },
  );

  test("once there is peace the newest release runs that has not fallen back here; the fleet's lock is free, and nothing restarts any more", () => {
    fc.assert(
      fc.property(CONFIG, fc.integer(), (base, seed) => {
        const {
          retry: { limit: _, ...retry },
          ...rest
        } = { ...base, mode: "apply" as const };
        const { node, releases, fleet } = live({ ...rest, retry }, seed);
        releases.push(release(releases.length, Math.floor(node.time), true, false));
        peace(node, 40);
        assert.equal(node.running.version, releases.at(-1)!.version);
        assert.equal(fleet.holders.size, 0);
        const before = node.steps.length;
        peace(node, 40);
        assert.deepEqual([...new Set(node.steps.slice(before).map((step) => step.do))], ["look"]);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });

  test("a release that falls back is booted once, however often it is seen, and the next one is taken", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = chances(seed);
        const releases = [release(0, START - DAY, true, false), release(1, START - 1, false, false)];
        const config = fakeUpdates({ mode: "apply", check: { every: HOUR, jitter: 0 } });
        const node = new FakeNode({ id: "node", config, random, releases: () => releases, start: START }, releases[0]!);
        for (let day = 0; day < 200; day++) {
          peace(node, 1);
          if (day % 3 === 0) node.cut();
        }
        assert.deepEqual([node.running.version, node.steps.filter((step) => step.do === "restart").length], ["1.0.0", 1]);
        releases.push(release(2, Math.floor(node.time), true, false));
        peace(node, 2);
        assert.equal(node.running.version, "1.2.0");
      }),
      { numRuns: 5, endOnFailure: true },
    );
  });

  test("looks are no further apart than they should be, and no closer, as long as the clock is right", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, HOUR), (seed, jitter) => {
        const releases = [release(0, START - DAY, true, false)];
        const config = fakeUpdates({ mode: "apply", check: { every: 6 * HOUR, jitter } });
        const node = new FakeNode(
          { id: "node", config, random: chances(seed), releases: () => releases, start: START },
          releases[0]!,
        );
        peace(node, 100);
        const looks = node.steps.map(({ at }) => at);
        for (const [index, at] of looks.slice(1).entries()) {
          const apart = at - looks[index]!;
          assert.ok(apart >= 6 * HOUR && apart <= 6 * HOUR + jitter + 10, `${apart} s`);
        }
        assert.ok(looks.length > 300);
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });
});

suite(
  "a release that is at hand is restarted into in the next window, on each day of a year, and in no window twice, however short it is and whatever clocks do",
  () => {
    const cases: readonly (readonly [zone: string, start: string, change: string])[] = [
      ["Europe/Berlin", "02:30", "02:00 is 03:00, or comes twice"],
      ["America/New_York", "01:30", "01:00 comes twice"],
      ["Australia/Lord_Howe", "02:15", "half an hour is left out, or comes twice"],
      ["Africa/Cairo", "00:30", "midnight is 01:00"],
      ["Africa/Cairo", "23:30", "the last hour of a day comes twice"],
      ["Africa/Casablanca", "02:30", "clocks are set back for Ramadan"],
      ["Asia/Kolkata", "02:30", "clocks are never set"],
    ];
    for (const [zone, start, change] of cases)
      test(`${zone}, ${start}: ${change}`, () => {
        const random = chances(11);
        const releases = [release(0, START - DAY, true, false)];
        const config = fakeUpdates({
          ...{ mode: "apply", check: { every: 30 * DAY, jitter: 0 } },
          windows: [{ days: WEEKDAYS, start, length: 600, zone }],
        });
        const node = new FakeNode({ id: "node", config, random, releases: () => releases, start: START }, releases[0]!);
        for (let since = START; node.time < START + YEAR;) {
          const [restart] = node.steps.slice(-1).filter((step) => step.do === "restart");
          if (restart) since = restart.at;
          // Once its window is over there is another one, and the machine knows it at once: it would be taken at the next chance.
          if (node.running === releases.at(-1) && node.time >= since + 900) {
            const fresh = release(releases.length, Math.floor(node.time), true, false);
            const { isGood: _, ...known } = fresh;
            releases.push(fresh);
            node.hear({ is: "looked", at: lookKey(config), release: known, chance: 0 });
            if (random() < 0.3) node.cut();
          }
          node.turn({ longest: node.running === releases.at(-1) ? 900 : DAY });
          node.time += Math.floor(random() * 20); // it has other things to do
        }
        const day = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
        const days = node.steps.filter((step) => step.do === "restart").map(({ at }) => day.format(at * 1000));
        const first = Date.parse(days[0]!);
        assert.ok(days.length >= 364, `${days.length} days`);
        assert.deepEqual(
          days,
          days.map((_, index) => new Date(first + index * DAY * 1000).toISOString().slice(0, 10)),
        );
      });
  },
);

test("of twenty nodes with clocks that are off never more are away than the fleet's lock has slots, and all of them are updated in the end but those that fell back", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(1, 3), (seed, slots) => {
      const random = chances(seed);
      const fleet = new FakeFleet(slots);
      const releases = [release(0, START - DAY, true, false)];
      const config = fakeUpdates({
        ...{ mode: "apply", check: { every: 2 * HOUR, jitter: HOUR } },
        windows: [{ days: ["sat", "sun"], start: "02:00", length: 4 * HOUR, zone: "Europe/Berlin" }],
        coordination: { fleetlock: { url: "https://lock.example", group: "default" } },
        retry: { first: 60, longest: 600 },
      });
      const nodes = Array.from({ length: 20 }, (_, index) => {
        const node = new FakeNode(
          { id: `node-${index}`, config, random, releases: () => releases, start: START, fleet },
          releases[0]!,
        );
        node.clockOff = Math.floor((random() - 0.5) * 8 * HOUR);
        return node;
      });
      let most = 0;
      for (const end = START + 60 * DAY; ;) {
        const node = nodes.reduce((first, other) => (other.time < first.time ? other : first));
        if (node.time >= end) break;
        if (releases.length === 1 && node.time > START + 3 * DAY) releases.push(release(1, Math.floor(node.time), true, false));
        if (random() < 0.001) node.cut();
        node.turn({ isCut: random() < 0.002, longest: HOUR });
        most = Math.max(most, nodes.filter(({ away }) => away).length);
      }
      assert.ok(most <= slots, `${most} were away at once`);
      assert.ok(most > 0);
      // One whose power was cut on trial has fallen back.
      for (const { running, fell } of nodes) assert.equal(running.version, fell.size > 0 ? "1.0.0" : "1.1.0");
      assert.equal(fleet.holders.size, 0);
    }),
    { numRuns: 4, endOnFailure: true },
  );
});
