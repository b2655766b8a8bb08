import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import { CASES, planCases, runCases, type CaseName, type CasePorts } from "./cases.ts";

suite("the plan", () => {
  const plans: readonly [chosen: readonly CaseName[], plan: readonly CaseName[]][] = [
    [[], CASES],
    [["boot"], ["boot"]],
    [["upgrade"], ["boot", "upgrade"]],
    [["rollback"], ["boot", "upgrade", "rollback"]],
    [["fallback"], ["boot", "fallback"]],
    [
      ["fallback", "upgrade", "upgrade"],
      ["boot", "upgrade", "fallback"],
    ],
  ];
  for (const [chosen, plan] of plans) {
    test(`of ${chosen.join(", ") || "no choice"} is ${plan.join(", ")}`, () => assert.deepEqual(planCases(chosen), plan));
  }
});

suite("cases", () => {
  const EVIDENCE = { console: "last line" };
  function played(failing: Partial<Record<CaseName, unknown>>): { ran: CaseName[]; ports: CasePorts; stop: AbortController } {
    const ran: CaseName[] = [];
    const stop = new AbortController();
    let now = 0;
    const ports: CasePorts = {
      run: async (name) => {
        await Promise.resolve();
        ran.push(name);
        now += 1234;
        if (name in failing) throw failing[name] as Error;
        return `${name} works`;
      },
      evidence: async () => await Promise.resolve(EVIDENCE),
      clock: () => now,
      signal: stop.signal,
    };
    return { ran, ports, stop };
  }

  test("run in order, each with its time", async () => {
    const { ports } = played({});
    assert.deepEqual(await runCases(["boot", "upgrade"], ports), [
      { name: "boot", seconds: 1.2, outcome: "passed", says: "boot works" },
      { name: "upgrade", seconds: 1.2, outcome: "passed", says: "upgrade works" },
    ]);
  });

  test("end with the first that fails, which says why and what the machine has left; the others are left out, and said to be", async () => {
    const { ran, ports } = played({ upgrade: new AppError("FELL_BACK", "it fell back") });
    assert.deepEqual((await runCases(CASES, ports)).slice(1), [
      { name: "upgrade", seconds: 1.2, outcome: "failed", code: "FELL_BACK", reason: "it fell back", ...EVIDENCE },
      { name: "rollback", seconds: 0, outcome: "skipped", reason: "upgrade has failed" },
      { name: "fallback", seconds: 0, outcome: "skipped", reason: "upgrade has failed" },
    ]);
    assert.deepEqual(ran, ["boot", "upgrade"]);
  });

  test("that are interrupted have no result", async () => {
    const { ports, stop } = played({ boot: new AppError("VM_ENDED", "the VM was interrupted") });
    stop.abort(new Error("Ctrl-C"));
    await assert.rejects(runCases(CASES, ports), /Ctrl-C/);
  });

  test("that meet a fault of petrify are no failures of the image", async () => {
    await assert.rejects(runCases(CASES, played({ boot: new TypeError("x") }).ports), TypeError);
  });
});
