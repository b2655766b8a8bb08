import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_HEALTH_PLAN } from "../../layout/health-plan.ts";
import { EMPTY_KERNEL_ARGS, NO_KERNEL_ARGS, type KernelArgs } from "../../layout/kernel-args.ts";
import type { RecordChange, RecordFacts } from "../../layout/record-change.ts";
import { NO_RUN_CONFIG } from "../../layout/run-config.ts";
import type { World } from "../world.ts";
import type { BootConfig } from "./boot-config.ts";
import { openConfigService } from "./service.ts";
import type { ConfigWork } from "./work.ts";

const ID = "0123abcd";
const NEW: KernelArgs = { append: ["new"], remove: [] };
const NONE: BootConfig = {
  ...{ plan: DEFAULT_HEALTH_PLAN, notes: [], config: { ...NO_RUN_CONFIG, generation: 1 } },
  kernelArgs: { own: NO_KERNEL_ARGS, generation: 1 },
};
const ON_TRIAL: BootConfig = { ...NONE, kernelArgs: { ...NONE.kernelArgs, trial: { id: ID, generation: 2, args: NEW } } };
const KEPT: BootConfig = { ...NONE, kernelArgs: { own: NEW, generation: 2 } };

/** @param works what work makes of the machine's config; the record is one in memory */
function desk({
  boot,
  booted,
  works,
}: {
  boot: BootConfig;
  booted?: string;
  works: (request: ConfigWork) => BootConfig | Error;
}) {
  const done: string[] = [];
  const state = { boot };
  const stop = new AbortController();
  let record: RecordFacts = {
    found: { is: "unreadable", why: "" },
    ...(booted === undefined
      ? { tries: { a: 6, b: 6 }, args: EMPTY_KERNEL_ARGS }
      : { tries: { a: 6, b: 6, args: 2 }, args: { ...EMPTY_KERNEL_ARGS, trial: { id: ID, slot: "a", ...NEW } } }),
  };
  const ports = {
    facts: { trial: booted },
    machineConfig: {
      now: () => state.boot,
      read: async () => await Promise.resolve(),
      work: async (request: ConfigWork) => {
        await Promise.resolve();
        done.push([request.do, "id" in request ? request.id : "", "reason" in request ? request.reason : ""].join(" ").trim());
        const now = works(request);
        if (now instanceof Error) throw now;
        state.boot = now;
        return { changed: true, generation: 2, mode: "auto", problems: [], trial: { id: ID } };
      },
    },
    stages: {},
    uptime: () => 0,
    now: () => 1000,
    log: (level: string, line: string) => void done.push(`${level}: ${line}`),
    wait: async (_: number, signal: AbortSignal) =>
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
  };
  const world = {
    ...{ ports, state: {}, running: "a", raise: () => {}, clear: () => {} },
    get record() {
      return record;
    },
    changeRecord: async (decide: (facts: RecordFacts) => RecordChange) => {
      await Promise.resolve();
      const { tries, args } = decide(record);
      record = { ...record, tries: tries ?? record.tries, args: args ?? record.args };
      if (tries) done.push(`tries ${tries.args}`);
      if (args) done.push(`args ${args.trial ? "on trial" : args.slots.a.append.join(" ") || "none"}`);
    },
  } as unknown as World;
  const service = openConfigService(world, {
    ...{ refusal: () => undefined, changed: async () => await Promise.resolve(), health: () => "starting" as const },
  });
  return { service, done, state, stop };
}

test("once a config with other kernel arguments is applied, its trial is granted tries and told to the loader, in this order", async () => {
  const { service, done, stop } = desk({ boot: NONE, works: () => ON_TRIAL });
  await service.apply({ documents: [], mode: "auto" }, stop.signal);
  assert.deepEqual(done, ["apply", "tries 3", "args on trial", "info: machine config 2 is tried by the next boot"]);
  assert.equal(service.isArgsTrial(), false);
});

const TRYING: BootConfig = { ...ON_TRIAL, config: { ...NO_RUN_CONFIG, generation: 2 } };

test("a trial whose boot is healthy is kept: first its config, then what the loader gives", async () => {
  const { service, done } = desk({ boot: TRYING, booted: ID, works: () => KEPT });
  assert.equal(service.isArgsTrial(), true);
  await service.healthy();
  assert.deepEqual(done, [`confirm ${ID}`, "args new", "info: machine config 2 is kept, with its kernel arguments"]);
  assert.equal(service.isArgsTrial(), false);
});

test("a trial whose boot is not healthy is given back with the reason: its tries first", async () => {
  const { service, done } = desk({ boot: TRYING, booted: ID, works: () => NONE });
  await service.unhealthy("web refuses connections");
  assert.deepEqual(done, [
    ...["tries 0", `revert ${ID} web refuses connections`, "args none"],
    "alarm: machine config 2 was given back: web refuses connections",
  ]);
});

test("a boot that tries nothing gives nothing back, and one that cannot remember why still takes the tries", async () => {
  const other = desk({ boot: ON_TRIAL, works: () => NONE });
  await other.service.unhealthy("no");
  assert.deepEqual(other.done, []);
  const full = desk({ boot: TRYING, booted: ID, works: () => new Error("no space left on device") });
  await full.service.unhealthy("no");
  assert.deepEqual(full.done, ["tries 0", `revert ${ID} no`, "info: why is not remembered: no space left on device"]);
});

test("a trial whose boots have all failed is given back by the agent of the boot after them", async () => {
  const { service, done, stop } = desk({ boot: ON_TRIAL, booted: ID, works: () => NONE });
  const ended = service.loop(stop.signal);
  while (!done.some((line) => line.startsWith("alarm"))) await new Promise(setImmediate);
  stop.abort(new Error("stopped"));
  await assert.rejects(ended, /stopped/);
  assert.match(done[0]!, /^revert 0123abcd it could not be laid/);
});
