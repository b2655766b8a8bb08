import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DEFAULT_HEALTH_PLAN, encodeHealthPlan } from "../layout/health-plan.ts";
import { firstRecord, type BootRecord } from "../layout/record.ts";
import { encodeRunConfig, NO_RUN_CONFIG } from "../layout/run-config.ts";
import { encodeRunFacts, type RunFacts } from "../layout/run-facts.ts";
import type { SlotState } from "../layout/slots.ts";
import { fakeSys, Gone, type FakeSys } from "./fake-sys.ts";
import { restartUnjudged } from "./unjudged.ts";

const DEVICE = "/dev/vda3";
const RUNS = `exec /usr/bin/systemctl /usr/bin/systemctl reboot --no-wall --message=slot b is not healthy, and restarts: nobody has judged it`;
const record = (b: SlotState): BootRecord => ({
  active: "b",
  recovery: 1,
  slots: { a: { state: "proven", digest: "a".repeat(64) }, b: { state: b, digest: "b".repeat(64) } },
});
const planOf = (deadlineSeconds: number): string => encodeHealthPlan({ ...DEFAULT_HEALTH_PLAN, deadlineSeconds });

function machine(b: SlotState, files: Readonly<Record<string, string>> = {}, slot: RunFacts["slot"] = "b"): FakeSys {
  const partitions = { record: { guid: "0", device: DEVICE } } as unknown as RunFacts["partitions"];
  const sys = fakeSys({
    "/run/petrify/boot.json": encodeRunFacts({ slot, file: "/b.img", rootHash: "", partitions, notes: [], reached: {} }),
    "/usr/lib/petrify/health.json": planOf(100),
    ...files,
  });
  sys.blocks.set(DEVICE, { size: 1024 * 1024, patches: [...firstRecord(record(b))] });
  return sys;
}
/** @returns when it restarts the machine, in seconds since the kernel's start; nothing where it does not */
function restart(sys: FakeSys): number | undefined {
  try {
    restartUnjudged(sys);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Gone);
    assert.ok(sys.done.at(-1)!.startsWith(RUNS), sys.done.join("\n"));
    return Math.round(sys.now() / 1000);
  }
}

suite("a slot that nobody judges", () => {
  test("is left ten minutes after the deadline of its image, or of its machine config", () => {
    assert.equal(restart(machine("trial")), 721); // looked at each half minute
    const config = encodeRunConfig({ ...NO_RUN_CONFIG, health: { ...DEFAULT_HEALTH_PLAN, deadlineSeconds: 1000 } });
    assert.equal(restart(machine("trial", { "/run/petrify/config.json": config })), 1621);
  });

  test("is left where its image says nothing that can be understood, with the deadline of every image", () => {
    assert.equal(restart(machine("trial", { "/usr/lib/petrify/health.json": "{" })), 901);
  });

  test("stays once it is proven, whenever that is", () => {
    const sys = machine("trial");
    const pause = sys.pause.bind(sys);
    let looks = 0;
    sys.pause = (ms) => {
      if (++looks === 10) sys.blocks.set(DEVICE, { size: 1024 * 1024, patches: [...firstRecord(record("proven"))] });
      pause(ms);
    };
    assert.equal(restart(sys), undefined);
    assert.equal(looks, 10);
  });

  const others: readonly (readonly [string, FakeSys])[] = [
    ["is proven", machine("proven")],
    ["is bad", machine("bad")],
    ["is another", machine("trial", {}, "a")],
    ["is recovery", machine("trial", {}, "recovery")],
    ["runs from memory", machine("trial", {}, "ram")],
  ];
  for (const [what, sys] of others) {
    test(`is not left where it ${what}`, () => {
      assert.equal(restart(sys), undefined);
      assert.deepEqual(sys.done, []);
    });
  }

  test("is not left where its record cannot be read", () => {
    const sys = machine("trial");
    sys.refuses.set(`read ${DEVICE} ${64 * 1024}`, 5).set(`read ${DEVICE} ${576 * 1024}`, 5);
    assert.equal(restart(sys), undefined);
  });
});
