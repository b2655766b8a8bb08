import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { DAY, isZone, longestWindow, nextOpening, openings, startOfDay, zonedText } from "./calendar.ts";
import { WEEKDAYS, type UpdateCalendar, type UpdateWindow, type Weekday } from "./updates-config.ts";

const at = (text: string): number => Date.parse(text) / 1000;
const window = (zone: string, start: string, about: Partial<UpdateWindow> = {}): UpdateWindow => ({
  ...{ zone, start, length: 3600, days: WEEKDAYS },
  ...about,
});
const calendar = (...windows: UpdateWindow[]): UpdateCalendar => ({ windows, exceptions: [] });
/** By ICU, not by what is tested: `Sun 02:30`. */
const clock = (seconds: number, zone: string): string =>
  new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
    .format(seconds * 1000)
    .replace(",", "");

suite("where clocks are set, a window begins once, and is as long as ever", () => {
  /** A window of an hour, each day; starts in UTC, and what clocks show then. */
  const cases: readonly (readonly [
    zone: string,
    start: string,
    why: string,
    starts: readonly (readonly [utc: string, shown: string])[],
  ])[] = [
    [
      "Europe/Berlin",
      "02:30",
      "02:00 is 03:00",
      [
        ["2026-03-28T01:30Z", "Sat 02:30"],
        ["2026-03-29T01:30Z", "Sun 03:30"],
        ["2026-03-30T00:30Z", "Mon 02:30"],
      ],
    ],
    [
      "Europe/Berlin",
      "02:30",
      "02:00 to 03:00 comes twice",
      [
        ["2026-10-24T00:30Z", "Sat 02:30"],
        ["2026-10-25T00:30Z", "Sun 02:30"],
        ["2026-10-26T01:30Z", "Mon 02:30"],
      ],
    ],
    [
      "America/New_York",
      "02:00",
      "02:00 is 03:00",
      [
        ["2026-03-07T07:00Z", "Sat 02:00"],
        ["2026-03-08T07:00Z", "Sun 03:00"],
        ["2026-03-09T06:00Z", "Mon 02:00"],
      ],
    ],
    [
      "America/New_York",
      "01:30",
      "01:00 to 02:00 comes twice",
      [
        ["2026-10-31T05:30Z", "Sat 01:30"],
        ["2026-11-01T05:30Z", "Sun 01:30"],
        ["2026-11-02T06:30Z", "Mon 01:30"],
      ],
    ],
    [
      "Australia/Lord_Howe",
      "02:15",
      "half an hour is left out",
      [
        ["2026-10-02T15:45Z", "Sat 02:15"],
        ["2026-10-03T15:45Z", "Sun 02:45"],
        ["2026-10-04T15:15Z", "Mon 02:15"],
      ],
    ],
    [
      "Australia/Lord_Howe",
      "01:45",
      "half an hour comes twice",
      [
        ["2026-04-03T14:45Z", "Sat 01:45"],
        ["2026-04-04T14:45Z", "Sun 01:45"],
        ["2026-04-05T15:15Z", "Mon 01:45"],
      ],
    ],
    [
      "America/Sao_Paulo",
      "00:30",
      "midnight is 01:00",
      [
        ["2018-11-03T03:30Z", "Sat 00:30"],
        ["2018-11-04T03:30Z", "Sun 01:30"],
        ["2018-11-05T02:30Z", "Mon 00:30"],
      ],
    ],
    [
      "America/Sao_Paulo",
      "23:30",
      "the last hour of a day comes twice",
      [
        ["2018-02-17T01:30Z", "Fri 23:30"],
        ["2018-02-18T01:30Z", "Sat 23:30"],
        ["2018-02-19T02:30Z", "Sun 23:30"],
      ],
    ],
    [
      "Asia/Kolkata",
      "02:00",
      "clocks are half an hour from others, and are never set",
      [
        ["2026-03-27T20:30Z", "Sat 02:00"],
        ["2026-03-28T20:30Z", "Sun 02:00"],
        ["2026-03-29T20:30Z", "Mon 02:00"],
      ],
    ],
    [
      "Pacific/Apia",
      "02:00",
      "there is no Friday, which begins as Saturday does",
      [
        ["2011-12-29T12:00Z", "Thu 02:00"],
        ["2011-12-30T12:00Z", "Sat 02:00"],
        ["2011-12-31T12:00Z", "Sun 02:00"],
      ],
    ],
    [
      "Africa/Casablanca",
      "02:30",
      "clocks are set back for Ramadan",
      [
        ["2026-02-14T01:30Z", "Sat 02:30"],
        ["2026-02-15T01:30Z", "Sun 02:30"],
        ["2026-02-16T02:30Z", "Mon 02:30"],
      ],
    ],
  ];
  for (const [zone, start, why, starts] of cases) {
    test(`${zone}, ${start}: ${why}`, () => {
      const [first, last] = [at(starts[0]![0]), at(starts.at(-1)![0])];
      const found = openings(calendar(window(zone, start)), first, last + 1);
      assert.deepEqual(
        found,
        starts.map(([utc]) => ({ start: at(utc), end: at(utc) + 3600 })),
      );
      assert.deepEqual(
        found.map((one) => clock(one.start, zone)),
        starts.map(([, shown]) => shown),
      );
    });
  }

  test("a window of Fridays is open on the Saturday that came in a Friday's place", () => {
    const fridays = calendar(window("Pacific/Apia", "02:00", { days: ["fri"] }));
    assert.deepEqual(
      openings(fridays, at("2011-12-24T12:00Z"), at("2012-01-06T12:00Z")).map((one) => clock(one.start, "Pacific/Apia")),
      ["Sat 02:00", "Fri 02:00"],
    );
  });
});

test("a window over a change is as long as it says: by the clock it ends later, or earlier", () => {
  const night = calendar(window("Europe/Berlin", "01:00", { length: 4 * 3600 }));
  const ends = (day: string): string => clock(nextOpening(night, at(`${day}T22:00Z`))!.end, "Europe/Berlin");
  assert.deepEqual([ends("2026-03-28"), ends("2026-10-24"), ends("2026-06-06")], ["Sun 06:00", "Sun 04:00", "Sun 05:00"]);
});

test("a window that began the day before is open", () => {
  const weekend = calendar(window("UTC", "22:00", { days: ["fri"], length: 60 * 3600 }));
  const { start, end } = nextOpening(weekend, at("2026-11-29T12:00Z"))!;
  assert.deepEqual([start, end], [at("2026-11-27T22:00Z"), at("2026-11-30T10:00Z")]);
});

test("windows that meet are one opening, in whatever zones they are written", () => {
  const two = calendar(window("Europe/Berlin", "02:00"), window("UTC", "02:00"));
  assert.deepEqual(openings(two, at("2026-11-23T00:00Z"), at("2026-11-23T12:00Z")), [
    { start: at("2026-11-23T01:00Z"), end: at("2026-11-23T03:00Z") },
  ]);
});

test("no window begins on a day that is excepted, by the calendar of its zone; one that has begun stays open", () => {
  const exceptions = [{ from: "2026-12-24", to: "2026-12-26" }];
  const begins = (zone: string): string[] =>
    openings({ windows: [window(zone, "23:30")], exceptions }, at("2026-12-23T00:00Z"), at("2026-12-28T12:00Z")).map((one) =>
      zonedText(one.start, zone).slice(4, 14),
    );
  assert.deepEqual(begins("Europe/Berlin"), ["2026-12-23", "2026-12-27"]);
  assert.deepEqual(begins("America/New_York"), ["2026-12-22", "2026-12-23", "2026-12-27"]);
  const { end } = nextOpening({ windows: [window("UTC", "23:30")], exceptions }, at("2026-12-24T00:10Z"))!;
  assert.equal(end, at("2026-12-24T00:30Z"));
});

test("without windows it is always open; where exceptions cover all of them nothing is", () => {
  assert.deepEqual(nextOpening(calendar(), 1000)?.start, 1000);
  const never = { windows: [window("UTC", "02:00")], exceptions: [{ from: "2000-01-01", to: "2999-12-31" }] };
  assert.equal(nextOpening(never, at("2026-11-23T00:00Z")), undefined);
});

test("the next opening that will do is the first one of which enough is left", () => {
  const both = calendar(window("UTC", "02:00"), window("UTC", "20:00", { days: ["sun"], length: 4 * 3600 }));
  const next = (from: string, hours: number): string | undefined => {
    const found = nextOpening(both, at(from), ({ start, end }) => end - Math.max(start, at(from)) >= hours * 3600);
    return found && clock(found.start, "UTC");
  };
  assert.equal(next("2026-11-23T00:00Z", 1), "Mon 02:00");
  assert.equal(next("2026-11-23T02:10Z", 1), "Tue 02:00");
  assert.equal(next("2026-11-23T02:10Z", 0.5), "Mon 02:00");
  assert.equal(next("2026-11-23T00:00Z", 3), "Sun 20:00");
  assert.equal(next("2026-11-23T00:00Z", 5), undefined);
  assert.equal(longestWindow(both), 4 * 3600);
  assert.equal(longestWindow(calendar()), undefined);
});

test("zones are names of the time zone database, and no offsets", () => {
  for (const name of ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Calcutta", "CET"])
    assert.ok(isZone(name), name);
  for (const name of ["Europe/Berlim", "+01:00", "PST", "", "Mars/Olympus", "../etc", "UTC+1"]) assert.ok(!isZone(name), name);
});

test("a day begins when clocks say so, where midnight is left out an hour later", () => {
  assert.equal(startOfDay("2026-12-24", "Europe/Berlin"), at("2026-12-23T23:00Z"));
  assert.equal(startOfDay("2018-11-04", "America/Sao_Paulo"), at("2018-11-04T03:00Z"));
});

suite("whatever the zone, the window and the year", () => {
  const ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Pacific/Apia",
  ];
  const START = fc.tuple(fc.nat(23), fc.nat(59)).map((parts) => parts.map((part) => String(part).padStart(2, "0")).join(":"));
  const WINDOW = fc.record({
    zone: fc.constantFrom(...ZONES),
    start: START,
    length: fc.integer({ min: 600, max: 3 * 3600 }),
    days: fc.subarray<Weekday>([...WEEKDAYS], { minLength: 1 }),
  });
  /** Without the day that Samoa has not had. */
  const YEAR = fc.integer({ min: 2012, max: 2035 });

  test("each of its days has one start, no earlier than clocks show it and at most an hour later, and each is as long as it says", () => {
    fc.assert(
      fc.property(WINDOW, YEAR, (one, year) => {
        const from = startOfDay(`${year}-02-01`, one.zone);
        const to = startOfDay(`${year + 1}-01-15`, one.zone);
        const found = openings(calendar(one), from, to).filter(({ start }) => start >= from);
        const wanted: string[] = [];
        for (let day = new Date(`${year}-02-01`); day < new Date(`${year + 1}-01-15`); day = new Date(day.getTime() + DAY * 1000))
          if (one.days.includes(WEEKDAYS[(day.getUTCDay() + 6) % 7]!)) wanted.push(day.toISOString().slice(0, 10));
        assert.deepEqual(
          found.map(({ start }) => zonedText(start, one.zone).slice(4, 14)),
          wanted,
        );
        const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
        for (const { start, end } of found) {
          assert.equal(end - start, one.length);
          const late = minutes(clock(start, one.zone).slice(4)) - minutes(one.start);
          assert.ok(late === 0 || late === 30 || late === 60, `${late} min late`);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("it does not matter in which parts somebody looks, and what is found is in order and apart", () => {
    const moment = fc.integer({ min: at("2011-12-20T00:00Z"), max: at("2030-01-01T00:00Z") });
    fc.assert(
      fc.property(
        fc.array(WINDOW, { minLength: 1, maxLength: 3 }),
        moment,
        fc.nat(20 * DAY),
        fc.nat(20 * DAY),
        (windows, from, a, b) => {
          const found = openings(calendar(...windows), from, from + a + b);
          for (const [index, { start, end }] of found.entries()) {
            assert.ok(start < end && end > from && start < from + a + b);
            if (index > 0) assert.ok(start > found[index - 1]!.end);
          }
          const isOpen = (list: typeof found, when: number): boolean =>
            list.some(({ start, end }) => start <= when && when < end);
          const parts = [
            ...openings(calendar(...windows), from, from + a),
            ...openings(calendar(...windows), from + a, from + a + b),
          ];
          for (let when = from; when < from + a + b; when += 3 * 3600 + 7) assert.equal(isOpen(found, when), isOpen(parts, when));
        },
      ),
      { numRuns: 60 },
    );
  });
});
