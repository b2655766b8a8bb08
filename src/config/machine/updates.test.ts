import { suite } from "node:test";
import { testConfigs, testProblems } from "../../../tests/support/machine-documents.ts";
import { fakeUpdates } from "../updates/fake-updates.ts";
import { WEEKDAYS } from "../updates/updates-config.ts";

suite("a document comes to", () => {
  testConfigs([
    [
      "updates: { source: 'registry.example/os:stable' }",
      { updates: fakeUpdates({ source: "registry.example/os", check: { every: 21_600, jitter: 2160 } }) },
    ],
    [
      `timezone: Europe/Berlin
updates:
  source: oci:/mnt/stick
  channel: { versions: ^1.4 }
  check: 2h
  jitter: 5min
  mode: apply
  windows: [{ days: [sat, sun], start: "02:00", length: 3h }, { start: 22:30, length: 45min, zone: America/New_York }]
  exceptions: [{ from: 2026-12-24, to: 2027-01-06 }, { from: 2026-11-27 }]
  hold: 2026-12-01
  min_age: 48h
  max_delay: 168h
  bandwidth: 512KiB
  metered: download
  retry: { limit: 3 }
  coordination: { fleetlock: { url: 'https://lock.example/', group: edge } }
  webhook: { url: 'https://hook.example/x', headers: { Authorization: Bearer x } }`,
      {
        timezone: "Europe/Berlin",
        updates: {
          ...{ source: "oci:/mnt/stick", channel: { versions: "^1.4" }, check: { every: 7200, jitter: 300 }, mode: "apply" },
          windows: [
            { days: ["sat", "sun"], start: "02:00", length: 10_800, zone: "Europe/Berlin" },
            { days: WEEKDAYS, start: "22:30", length: 2700, zone: "America/New_York" },
          ],
          exceptions: [
            { from: "2026-12-24", to: "2027-01-06" },
            { from: "2026-11-27", to: "2026-11-27" },
          ],
          ...{ holdUntil: Date.parse("2026-11-30T23:00Z") / 1000, minAge: 172_800, maxDelay: 604_800, bandwidth: 524_288 },
          ...{ metered: "download", retry: { first: 300, longest: 21_600, limit: 3 } },
          coordination: { fleetlock: { url: "https://lock.example", group: "edge" } },
          webhook: { url: "https://hook.example/x", headers: { Authorization: "Bearer x" } },
        },
      },
    ],
  ]);
});

suite("what is wrong is told with its place, its path and what was probably meant", () => {
  testProblems([
    ["updates: { network: { when: [boot] } }", /updates\.network: is cloud-init's/],
    ["updates: { automatic: true }", /updates\.automatic: is said by mode/],
    [
      "updates: { source: 'https://registry.example/os' }",
      /updates\.source: must end with \/ where it is a folder on an HTTP server/,
    ],
    ["updates: { source: 'oci:stick' }", /updates\.source: must be registry\.example\/image, oci:\/folder, or/],
    ["updates: { source: 'registry.example/os:stable', channel: beta }", /updates\.channel: stands beside a source with a tag/],
    ["updates: { channel: { tag: a, versions: ^1 } }", /updates\.channel: must have exactly one of tag, versions, digest$/],
    ["updates: { channel: { versions: newest } }", /updates\.channel\.versions: must be a range of versions/],
    ["updates: { channel: ^1.4 }", /updates\.channel: must be a tag, such as stable; ranges stand under versions$/],
    ["updates: { mode: auto }", /updates\.mode: must be notify or download or stage or apply/],
    ["updates: { bandwidth: 4KiB }", /updates\.bandwidth: must be at least 8KiB/],
    ["updates: { windows: [{ start: '02:00' }] }", /updates\.windows\[0\]\.length: is missing$/],
    [
      "updates: { windows: [{ start: '02:00', length: '02:00' }] }",
      /length: must be how long it is, such as 3h, not a time of day$/,
    ],
    ["updates: { windows: [{ start: '02:00', length: 0h }] }", /length: must be a whole number and a unit/],
    ["updates: { windows: [{ start: '02:00', length: 5min }] }", /length: must be 10min … 168h: an update takes minutes/],
    ["updates: { windows: [{ start: '25:00', length: 1h }] }", /start: must be a time of day, such as "02:00"$/],
    ["updates: { windows: [{ start: '02:00', length: 1h, days: [] }] }", /days: must name a day, or be left out for all$/],
    ["updates: { windows: [{ start: '02:00', length: 1h, days: [sat, sat] }] }", /days: has a day twice$/],
    [
      "updates: { windows: [{ start: '02:00', length: 1h, zone: Europe/Berlim }] }",
      /zone: must be a name of the time zone database/,
    ],
    ["updates: { windows: [{ start: '02:00', length: 1h, zone: '+01:00' }] }", /zone: must be a name of the time zone database/],
    ["updates: { windows: [{ start: '02:00', length: 25h }] }", /length: must be at most 24h: then the window begins again$/],
    [
      "updates: { windows: [{ start: '02:00', length: 49h, days: [sun, fri] }] }",
      /length: must be at most 48h: then the window begins again$/,
    ],
    [
      "updates: { windows: [{ start: '02:00', length: 1h }, { start: '02:00', length: 2h, days: [sat] }] }",
      /updates\.windows\[1\]: begins with windows\[0\] on the same days, and is not as long$/,
    ],
    ["updates: { exceptions: [{ from: 2026-12-24, to: 2026-12-01 }] }", /exceptions\[0\]\.to: lies before from$/],
    ["updates: { exceptions: [{ from: 2026-02-30 }] }", /exceptions\[0\]\.from: must be a day, such as 2026-12-24$/],
    [
      "updates: { exceptions: [{ from: 2026-12-24 }, { from: 2026-12-24, to: 2026-12-26 }] }",
      /exceptions\[1\]: begins on 2026-12-24/,
    ],
    ["updates: { hold: tomorrow }", /updates\.hold: must be a day, such as 2027-01-15, or a moment/],
    ["updates: { min_age: 48h, max_delay: 24h }", /updates\.max_delay: is shorter than min_age/],
    ["updates: { check: 1h, jitter: 2h }", /updates\.jitter: is longer than check$/],
    ["updates: { retry: { first: 1h, longest: 5min } }", /updates\.retry\.longest: is shorter than first$/],
    [
      "updates: { coordination: { fleetlock: { url: 'https://a', group: 'a b' } } }",
      /group: must be letters, digits, dots and dashes$/,
    ],
  ]);
});
