import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { LogEntrySchema } from "../../protocol/petrify/v1/log_pb.ts";
import { StatusResponseSchema } from "../../protocol/petrify/v1/node_pb.ts";
import { LoadResponseSchema, MemoryResponseSchema } from "../../protocol/petrify/v1/system_pb.ts";
import { runForTest } from "../testing.ts";
import { dashboardLines, type DashboardState } from "./dashboard-view.ts";
import { openScreen } from "./screen.ts";

const status = fromJson(StatusResponseSchema, {
  machine: { hostname: "edge-7" },
  image: { name: "edge", version: "1.4.0" },
  ...{ running: "BOOT_TARGET_A", role: "BOOT_ROLE_ACTIVE", state: "SLOT_STATE_PROVEN" },
  slots: [
    { slot: "BOOT_TARGET_A", role: "BOOT_ROLE_ACTIVE", state: "SLOT_STATE_PROVEN", tries: 6, digest: "595e0e9b39245c57" },
    { slot: "BOOT_TARGET_B", role: "BOOT_ROLE_PASSIVE", state: "SLOT_STATE_TRIAL", tries: 0, digest: "60c16ce1aa940000" },
  ],
  health: {
    state: "HEALTH_STATE_UNHEALTHY",
    checks: [
      { name: "web", reason: "refused\u001b[2J" },
      { name: "db", ok: true },
    ],
  },
  alarms: [{ code: "X", message: "somebody should look" }],
  boot: { uptime: "273600s" },
  operation: { id: "1", text: "upgrade to edge 1.5.0: writing slot b", percent: 43 },
  config: { generation: "12" },
});
const full: DashboardState = {
  ...{ node: "edge-7", status, lost: undefined },
  load: fromJson(LoadResponseSchema, { one: 0.52, five: 0.4, fifteen: 0.31, processors: 2 }),
  memory: fromJson(MemoryResponseSchema, { total: "2147483648", available: "1073741824" }),
  logs: ["one", "two\nlines", "three"].map((message) =>
    fromJson(LogEntrySchema, { time: "2026-11-22T20:42:16.123Z", identifier: "sshd", message, priority: "PRIORITY_ERROR" }),
  ),
};
const NOTHING: DashboardState = {
  node: "edge-7",
  status: undefined,
  load: undefined,
  memory: undefined,
  lost: undefined,
  logs: [],
};
// eslint-disable-next-line no-control-regex -- colours are what is looked for
const plain = (line: string): string => line.replaceAll(/\u001b\[\d+m/g, "");

suite("the dashboard", () => {
  test("shows what runs, how it does, and the end of the log", () => {
    const lines = dashboardLines(full, { columns: 72, rows: 20 }, true).map((line) => plain(line).trimEnd());
    assert.deepEqual(lines, [
      " edge-7  edge 1.4.0                                              up 3 d",
      "running    slot a (active, proven)",
      "slots      ▶ a  active   proven  6 tries  595e0e9b3924",
      "             b  passive  trial   0 tries  60c16ce1aa94",
      "health     unhealthy  2 checks",
      "           web: refused",
      "alarms     somebody should look",
      "operation  upgrade to edge 1.5.0: writing slot b  43 % [#########.......",
      "config     generation 12",
      "load       0.52  0.40  0.31  of 2",
      "memory     50 % [##########..........]  1 GiB of 2 GiB",
      "── log ─────────────────────────────────────────────────────────────────",
      "2026-11-22T20:42:16.123Z sshd: one",
      "2026-11-22T20:42:16.123Z sshd: two",
      "2026-11-22T20:42:16.123Z sshd: three",
      ...["", "", "", ""],
      "q quits",
    ]);
  });

  test("has no colours where nobody wants them, and says the same", () => {
    const size = { columns: 72, rows: 20 };
    const lines = dashboardLines(full, size, false);
    assert.ok(!lines.join("").includes("\u001b[3"));
    assert.deepEqual(lines.map(plain), dashboardLines(full, size, true).map(plain));
    assert.ok(dashboardLines(full, size, true).join("").includes("\u001b[31m"));
  });

  test("says why a machine does not answer, and what was known of it stays", () => {
    const lines = dashboardLines({ ...full, lost: "edge-7 does not answer" }, { columns: 60, rows: 20 }, true).map(plain);
    assert.match(lines[0]!, /does not answer $/);
    assert.equal(lines[1], "connection edge-7 does not answer");
    assert.match(lines[2]!, /^running +slot a/);
    assert.match(plain(dashboardLines(NOTHING, { columns: 60, rows: 20 }, true)[1]!), /is being opened/);
  });

  test("fits any terminal, and sends it nothing of what a machine says as it came", () => {
    for (const state of [
      NOTHING,
      full,
      { ...full, lost: "x".repeat(500), logs: Array.from({ length: 300 }, () => full.logs[1]!) },
    ]) {
      for (const [columns, rows] of [
        [1, 1],
        [10, 3],
        [80, 24],
        [300, 100],
      ] as const) {
        const lines = dashboardLines(state, { columns, rows }, true);
        assert.equal(lines.length, rows, `${columns} × ${rows}`);
        for (const line of lines) {
          assert.ok(Array.from(plain(line)).length <= columns, line);
          // eslint-disable-next-line no-control-regex -- these are what is looked for
          assert.doesNotMatch(plain(line), /[\u0000-\u001f]/);
        }
      }
    }
  });
});

suite("a screen", () => {
  const terminal = () => {
    const listeners = new Set<() => void>();
    const written: string[] = [];
    return {
      ...{ columns: 20, rows: 2, written, listeners },
      write: (text: string) => written.push(text) > 0,
      on: (_name: string, listener: () => void) => listeners.add(listener),
      off: (_name: string, listener: () => void) => listeners.delete(listener),
    };
  };

  test("is drawn soon, once, and anew in another size; then all is as it was", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const at = terminal();
    {
      using screen = openScreen(at as never, ({ columns, rows }) => [`${columns}`, `${rows}`]);
      screen.draw();
      t.mock.timers.tick(50);
      assert.deepEqual(at.written.splice(0), ["\u001b[?1049h\u001b[?25l", "\u001b[H20\u001b[K\r\n2\u001b[K\u001b[J"]);
      Object.assign(at, { columns: 40 });
      for (const listener of at.listeners) listener();
      t.mock.timers.tick(50);
      assert.match(at.written.splice(0).join(""), /40/);
      screen.draw();
    }
    t.mock.timers.tick(1000);
    assert.deepEqual(at.written, ["\u001b[?25h\u001b[?1049l"]);
    assert.equal(at.listeners.size, 0);
    await Promise.resolve();
  });
});

test("a dashboard is of one machine, and for a terminal", async () => {
  for (const args of [["dashboard"], ["dashboard", "a", "-n", "b"], ["-n", "a,b", "dashboard"], ["dashboard", "a", "--json"]])
    assert.equal((await runForTest(args)).exitCode, 2, args.join(" "));
});
