import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import type { Agent } from "../agent.ts";
import { boot, states } from "../fake-boot.ts";
import type { FakeDisk, FakeMachine } from "../fake-machine.ts";
import { disk, rollback, upgrade } from "./fake-upgrades.ts";

suite("an upgrade with a machine config", () => {
  const withConfig = (more: Partial<FakeDisk> = {}): FakeDisk => disk({ config: { a: "aa", b: "bb" }, ...more });
  const refused = async (agent: Agent, signal: AbortSignal): Promise<void> =>
    await assert.rejects(upgrade(agent, signal), { code: "CONFIG_UNSUPPORTED" });

  test("takes it along once the image is whole, and before the slot can boot", async () => {
    const on = withConfig();
    const { machine } = await boot(on, { ask: upgrade });
    const steps = machine.done.slice(machine.done.indexOf("verify b")).filter((line) => line !== "state" && line !== "copies");
    assert.deepEqual(steps.slice(0, 4), ["verify b", "take config along to b", "tries", "record"]);
    assert.deepEqual(on.config, { a: "aa", b: "cc" });
  });

  test("is refused before anything is written where the image does not know it", async () => {
    const on = withConfig({ tells: { machineConfig: { users: "name" } } });
    const { machine } = await boot(on, { ask: refused });
    assert.deepEqual([states(on), on.places, on.state.operations], ["a: proven aa, proven bb", { a: "aa", b: "bb" }, []]);
    assert.ok(!machine.done.some((line) => line.startsWith("write")));
  });

  test("is refused before the slot can boot where the image cannot do it: what runs, and its config, stay", async () => {
    const on = withConfig({ refusing: ["cc"], tells: { machineConfig: { hostname: "" } } });
    await boot(on, { ask: upgrade });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.deepEqual(on.config, { a: "aa", b: "bb" });
    const [entry] = on.state.operations;
    assert.deepEqual([entry!.outcome, entry!.code, entry!.hint], ["failed", "CONFIG_UNSUPPORTED", "Apply another one first."]);
    assert.equal((await boot(on)).slot, "a");
  });

  test("to an image that the slot has already takes today's config along", async () => {
    const on = withConfig({ config: { a: "aa", b: "an older one" } });
    on.record = { ...on.record, slots: { ...on.record.slots, b: { state: "proven", digest: "cc" } } };
    on.places = { a: "aa", b: "cc" };
    await boot(on, { ask: upgrade });
    assert.deepEqual(on.config, { a: "aa", b: "cc" });
  });

  test("waits while something else works on it", async () => {
    const on = withConfig();
    let busy = 2;
    const prepare = ({ machineConfig }: FakeMachine): void => {
      const { work } = machineConfig;
      Object.assign(machineConfig, {
        work: async (...given: Parameters<typeof work>) => {
          if (given[0].do === "take-along" && busy-- > 0) throw new AppError("CONFIG_BUSY", "it is being applied");
          return await work(...given);
        },
      });
    };
    await boot(on, { ask: upgrade, prepare });
    assert.equal(states(on), "b: proven aa, trial cc");
  });

  test("is none of a rollback, which goes back to the slot's own, and none of what recovery installs", async () => {
    const on = withConfig({ refusing: ["aa", "bb", "cc"], tells: { machineConfig: {} } });
    const { machine } = await boot(on, { ask: rollback });
    assert.equal(states(on), "b: proven aa, proven bb");
    assert.ok(!machine.done.includes("take config along to b"));
    await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
    const recovery = await boot(on, { ask: upgrade });
    assert.equal(recovery.slot, "recovery");
    assert.ok(recovery.machine.done.some((line) => line.startsWith("write")));
    assert.ok(!recovery.machine.done.some((line) => line.startsWith("take config along")));
  });
});
