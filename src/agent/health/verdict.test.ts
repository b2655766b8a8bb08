import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BOOTED, DAY, eventOf, play, REBOOT, type Started, type Step } from "./play.ts";
import { checkIntervalMs, judge, LATE_START_MS, type HealthAction } from "./verdict.ts";

const short = (action: HealthAction): string =>
  [action.do, ...("reason" in action ? [action.reason] : []), ...("reasons" in action ? action.reasons : [])].join(" | ");
type Case = readonly [name: string, started: Started, steps: readonly (readonly [...Step, expected: string])[]];
const check = (cases: readonly Case[], common: Started): void => {
  for (const [name, started, steps] of cases) {
    test(name, () => {
      const { actions } = play(
        { ...common, ...started },
        steps.map(([at, says]) => [at, says]),
      );
      assert.deepEqual(
        actions.map((action, index) => [steps[index]![0], steps[index]![1], short(action)]),
        steps,
      );
    });
  }
};

suite("a slot on trial", () => {
  check(
    [
      [
        "is proven by the first report in which everything is well",
        {},
        [
          [20, "boot", "none"],
          [22, "+", "mark-proven"],
          [82, "+", "none"],
        ],
      ],
      [
        "is restarted when its deadline is over and the last report was not well, with the reasons",
        {},
        [
          [99, "ssh.service mounts", "none"],
          [100, ".", "restart-trial | not healthy 100 s after the kernel's start: ssh.service: is failed; mounts: is failed"],
        ],
      ],
      [
        "is restarted by the report that comes after the deadline, with that report's reasons",
        {},
        [
          [99, "mounts", "none"],
          [101, "ssh.service", "restart-trial | not healthy 100 s after the kernel's start: ssh.service: is failed"],
        ],
      ],
      [
        "is restarted when no check has ended by the deadline",
        {},
        [
          [99.999, ".", "none"],
          [100, ".", "restart-trial | not healthy 100 s after the kernel's start: no check has ended"],
        ],
      ],
      ["is proven by a report that is late but well: nobody had given it up", {}, [[101, "+", "mark-proven"]]],
      [
        "is not saved by a check that passes once the restart is decided",
        {},
        [
          [100, "web", "restart-trial | not healthy 100 s after the kernel's start: web: is failed"],
          [101, "+", "restart-trial | not healthy 100 s after the kernel's start: web: is failed"],
          [102, ".", "restart-trial | not healthy 100 s after the kernel's start: web: is failed"],
        ],
      ],
      [
        "raises no alarm before: it is not given up yet",
        {},
        [
          [20, "web", "none"],
          [22, "web", "none"],
          [24, "web", "none"],
        ],
      ],
      [
        "is restarted as on trial whatever the recipe wants of a proven one",
        { plan: REBOOT },
        [
          ...Array.from({ length: 9 }, (_, i) => [20 + i, "web", "none"] as const),
          [100, ".", "restart-trial | not healthy 100 s after the kernel's start: web: is failed"],
        ],
      ],
      [
        "has time to be looked at when the agent starts after the deadline",
        { nowMs: 500_000 },
        [
          [501, ".", "none"],
          [502, "web", "none"],
          [529.9, "web", "none"],
          [530, "web", "restart-trial | not healthy 530 s after the kernel's start: web: is failed"],
        ],
      ],
      [
        "is a proven one from then on",
        {},
        [
          [20, "+", "mark-proven"],
          [99, "web", "none"],
          [200, "web", "alarm | web: is failed"],
          [260, "web", "none"],
          [320, "+", "clear-alarm"],
        ],
      ],
    ],
    { slotState: "trial" },
  );
});

suite("a proven slot", () => {
  check(
    [
      [
        "that becomes well in time is nothing to report",
        {},
        [
          [20, "boot", "none"],
          [22, "boot", "none"],
          [24, "+", "none"],
        ],
      ],
      [
        "that is not well by the deadline is an alarm, at the deadline",
        {},
        [
          [99, "web", "none"],
          [100, ".", "alarm | web: is failed"],
        ],
      ],
      ["whose checks do not end is an alarm", {}, [[100, ".", "alarm | no check has ended"]]],
      [
        "that fails once is no alarm",
        {},
        [
          [20, "+", "none"],
          [80, "web", "none"],
          [110, ".", "none"],
          [140, "+", "none"],
          [200, "web", "none"],
          [260, "+", "none"],
        ],
      ],
      [
        "that fails twice in a row is an alarm, and it is taken back when all is well",
        {},
        [
          [20, "+", "none"],
          [80, "web", "none"],
          [140, "web", "alarm | web: is failed"],
          [200, "+", "clear-alarm"],
          [260, "+", "none"],
        ],
      ],
      [
        "that fails in another way has another alarm, and the same one is not repeated",
        {},
        [
          [20, "+", "none"],
          [80, "web", "none"],
          [140, "db", "alarm | db: is failed"],
          [200, "db", "none"],
          [260, "db web", "alarm | db: is failed | web: is failed"],
          [320, "web", "alarm | web: is failed"],
        ],
      ],
      [
        "is restarted when the recipe says so: after the deadline, an alarm, and five failures in a row",
        { plan: REBOOT },
        [
          [20, "+", "none"],
          [60, "web", "none"],
          [120, "web", "alarm | web: is failed"],
          [180, "web", "none"],
          [240, "web", "none"],
          [300, "web", "restart-proven | no longer healthy: web: is failed"],
        ],
      ],
      [
        "is not restarted before the deadline, nor before an alarm has told why",
        { plan: REBOOT },
        [
          ...Array.from({ length: 7 }, (_, i) => [20 + i, "web", "none"] as const),
          [100, ".", "alarm | web: is failed"],
          [160, "web", "restart-proven | not healthy 100 s after the kernel's start: web: is failed"],
        ],
      ],
      [
        "that was well and fails before the deadline has its alarm, but is not restarted until then",
        { plan: REBOOT },
        [
          [20, "+", "none"],
          [30, "web", "none"],
          [40, "web", "alarm | web: is failed"],
          ...Array.from({ length: 5 }, (_, i) => [50 + i, "web", "none"] as const),
          [100, "web", "restart-proven | no longer healthy: web: is failed"],
        ],
      ],
      [
        "is not restarted when it recovers between failures",
        { plan: REBOOT },
        [
          [101, "web", "alarm | web: is failed"],
          [102, "web", "none"],
          [103, "web", "none"],
          [104, "web", "none"],
          [105, "+", "clear-alarm"],
          [106, "web", "none"],
          [107, "web", "alarm | web: is failed"],
        ],
      ],
      [
        "goes on being judged when the restart does not happen",
        { plan: REBOOT },
        [
          ...Array.from({ length: 5 }, (_, i) => [20 + i, "web", "none"] as const),
          [100, ".", "alarm | web: is failed"],
          [101, ".", "restart-proven | not healthy 100 s after the kernel's start: web: is failed"],
          [102, "+", "clear-alarm"],
        ],
      ],
    ],
    { slotState: "proven" },
  );

  for (const [what, lastHealthRestart, expected] of [
    ["never before", undefined, "restart-proven"],
    ["a day ago", BOOTED + 200 - DAY, "restart-proven"],
    ["a second less than a day ago", BOOTED + 201 - DAY, "none"],
    ["a minute ago", BOOTED + 140, "none"],
    ["in what is the future by this clock", BOOTED + DAY, "none"],
    ["at no time that can be told", Number.NaN, "none"],
  ] as const) {
    test(`restarted for its health ${what}: ${expected === "none" ? "stays up, with its alarm" : "is restarted"}`, () => {
      const started: Started = { plan: REBOOT, ...(lastHealthRestart === undefined ? {} : { lastHealthRestart }) };
      const failing = Array.from({ length: 6 }, (_, index): Step => [195 + index, "web"]);
      const { actions, state } = play(started, failing);
      assert.equal(actions.at(-1)?.do, expected);
      assert.deepEqual(state.alarm, ["web: is failed"]);
    });
  }
});

suite("what no verdict can change", () => {
  check(
    [
      [
        "is not proven, and not restarted, but has its alarm",
        { plan: REBOOT },
        [
          [20, "+", "none"],
          [101, "web", "none"],
          [102, "web", "alarm | web: is failed"],
          [103, "web", "none"],
          [104, "web", "none"],
          [105, "web", "none"],
          [106, "web", "none"],
          [107, "+", "clear-alarm"],
        ],
      ],
    ],
    { slotState: "other" },
  );
});

test("checks are run often until a boot is well or has failed to be, then once a minute", () => {
  const at = (nowMs: number, steps: readonly Step[]): number => checkIntervalMs(play({ slotState: "trial" }, steps).state, nowMs);
  assert.equal(at(20_000, []), 2000);
  assert.equal(at(20_000, [[15, "web"]]), 2000);
  assert.equal(at(20_000, [[15, "+"]]), 60_000);
  assert.equal(
    at(20_000, [
      [15, "+"],
      [16, "web"],
    ]),
    60_000,
  );
  assert.equal(at(100_000, [[99, "web"]]), 60_000);
});

test("an agent that starts again begins anew, with time to look around", () => {
  const { state } = play({}, [[101, "web"]]);
  const again = judge(state, { type: "started", nowMs: 200_000, slotState: "trial", plan: REBOOT });
  assert.equal(again.action.do, "none");
  assert.deepEqual([again.state.alarm, again.state.failures, again.state.deadlineMs], [undefined, 0, 200_000 + LATE_START_MS]);
  assert.throws(() => judge(undefined, eventOf([1, "+"])), /the first event is `started`/);
});

test("a reason for the record is never longer than the record has room for", () => {
  const [action] = play({ slotState: "trial" }, [
    [100, Array.from({ length: 500 }, (_, i) => `unit${i}.service`).join(" ")],
  ]).actions;
  assert.ok(action?.do === "restart-trial" && action.reason.length <= 2001);
});
