import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../core/error.ts";
import { DEFAULT_HEALTH_PLAN } from "../../layout/health-plan.ts";
import type { DriftReport } from "../../layout/drift-report.ts";
import type { Operation } from "../../layout/operation.ts";
import { NO_RUN_CONFIG } from "../../layout/run-config.ts";
import type { MachineConfigPorts } from "../ports.ts";
import type { HealthStatus } from "../status.ts";
import type { World } from "../world.ts";
import type { ConfigResult } from "./apply-config.ts";
import type { BootConfig } from "./boot-config.ts";
import { openConfigService } from "./service.ts";
import type { ConfigWork } from "./work.ts";

const APPLIED: ConfigResult = {
  ...{ changed: true, mode: "auto", generation: 2, problems: ["zsh: not in the image"] },
  plan: { changes: [], actions: [], reboot: [] },
};
const LIVE: BootConfig = {
  ...{ plan: DEFAULT_HEALTH_PLAN, notes: [], config: { ...NO_RUN_CONFIG, generation: 2 } },
  trial: { id: "0123abcd", generation: 2, how: "live", until: 1060 },
};
const HOME: BootConfig = { plan: DEFAULT_HEALTH_PLAN, notes: [], config: { ...NO_RUN_CONFIG, generation: 1 } };

const FOUND = { documents: [], problems: [], waitsForNetwork: false };

/** @param works what work comes to; the clock stands at 1000 s, and only waiting moves it */
function desk(works: (request: ConfigWork, desk: { boot: BootConfig }) => object | Promise<object>, operation?: Operation) {
  const done: string[] = [];
  const state = {
    boot: HOME,
    uptime: 0,
    health: "starting" as HealthStatus["is"],
    refused: undefined as AppError | undefined,
    drift: undefined as DriftReport | undefined,
  };
  const stop = new AbortController();
  const machineConfig: MachineConfigPorts = {
    now: () => state.boot,
    read: async () => await Promise.resolve(void done.push("read")),
    work: async (request) => {
      done.push(request.do);
      return (await works(request, state)) as never;
    },
  };
  const ports = {
    machineConfig,
    stages: {
      drift: () => state.drift,
      start: async (name: string) => await Promise.resolve(void done.push(`stage ${name}`)),
    },
    now: () => 1000,
    uptime: () => state.uptime,
    log: (_: string, line: string) => void done.push(line),
    wait: async (ms: number, signal: AbortSignal) => {
      done.push(`wait ${ms}`);
      state.uptime += ms;
      await Promise.resolve();
      signal.throwIfAborted();
    },
  };
  const world = {
    ...{ ports, state: { operation }, running: "a", record: { found: { is: "unreadable", why: "" }, tries: undefined } },
    raise: (code: string) => void done.push(`raise ${code}`),
    clear: (code: string) => void done.push(`clear ${code}`),
  } as unknown as World;
  const service = openConfigService(world, {
    refusal: () => state.refused,
    changed: async () => await Promise.resolve(void done.push("checks")),
    health: () => state.health,
  });
  return { ...{ service, done, state, stop }, signal: stop.signal };
}

test("what is applied is told, and what runs is read again, with its checks", async () => {
  const { service, done, signal } = desk(() => APPLIED);
  assert.equal(await service.apply({ documents: [], mode: "auto" }, signal), APPLIED);
  assert.deepEqual(done, [
    ...["apply", "read", "checks"],
    ...["machine config 2 is in place", "machine config 2: zsh: not in the image"],
  ]);
});

test("nobody waits for a look over the network: what is applied meanwhile is in place first, and is not replaced", async () => {
  const looked = Promise.withResolvers<object>();
  const { service, done, state, stop } = desk(({ do: what }, at) => {
    if (what === "find") return looked.promise;
    at.boot = HOME;
    if (what === "network") setImmediate(() => stop.abort(new Error("stopped")));
    return what === "network" ? { none: true } : APPLIED;
  });
  state.boot = { ...HOME, awaits: true };
  const ended = service.loop(stop.signal);
  await service.apply({ documents: [], mode: "auto" }, stop.signal);
  assert.deepEqual(done.slice(0, 3), ["find", "apply", "read"]);
  looked.resolve(FOUND);
  await assert.rejects(ended, /stopped/);
  assert.ok(done.includes("network"));
});

test("without a document every place is looked at before, so that nobody waits for that", async () => {
  const looked = Promise.withResolvers<object>();
  const requests: ConfigWork[] = [];
  const { service, signal } = desk((request) => {
    requests.push(request);
    return request.do === "find" ? looked.promise : APPLIED;
  });
  const slow = service.apply({ mode: "auto" }, signal);
  await service.rollback({ mode: "auto" }, signal);
  looked.resolve({ ...FOUND, instance: "i-1" });
  await slow;
  const { documents, ...found } = { ...FOUND, instance: "i-1" };
  assert.deepEqual(requests, [{ do: "find" }, { do: "rollback", mode: "auto" }, { do: "apply", mode: "auto", documents, found }]);
});

test("one change comes after the other, and one that fails holds up none", async () => {
  const first = Promise.withResolvers<object>();
  const { service, done, signal } = desk(({ do: what }) => (what === "apply" ? first.promise : { ...APPLIED, changed: false }));
  const failing = service.apply({ documents: [], mode: "auto" }, signal);
  const next = service.rollback({ mode: "auto" }, signal);
  await new Promise(setImmediate);
  assert.deepEqual(done, ["apply"]);
  first.reject(new AppError("CONFIG_UNSUPPORTED", "no"));
  await assert.rejects(failing, { code: "CONFIG_UNSUPPORTED" });
  assert.equal((await next).generation, 2);
  assert.deepEqual(done, ["apply", "read", "checks", "rollback", "read", "checks"]);
});

for (const [at, refused] of [
  ["writing", true],
  ["flipped", true],
  ["trial", false],
] as const) {
  test(`while an upgrade is ${at} a change is ${refused ? "refused" : "made"}, and a dry run is not`, async () => {
    const { service, signal } = desk(() => APPLIED, { at } as Operation);
    await service.apply({ documents: [], mode: "dry-run" }, signal);
    const applied = service.apply({ documents: [], mode: "auto" }, signal);
    if (refused) await assert.rejects(applied, { code: "OPERATION_RUNNING" });
    else await applied;
  });
}

test("a dry run tells, too, where the machine is no longer as the config that runs says", async () => {
  const { service, state, signal } = desk(() => ({ ...APPLIED, mode: "dry-run" }));
  const dryRun = async () => (await service.apply({ documents: [], mode: "dry-run" }, signal)).drift;
  assert.equal(await dryRun(), undefined);
  state.drift = { at: 1, generation: 1, mode: "report", found: ["user ada"] };
  assert.equal(await dryRun(), state.drift);
  state.drift = { ...state.drift, generation: 2 };
  assert.equal(await dryRun(), undefined, "of a config that was there before");
});

test("while the machine is being reset a change is refused", async () => {
  const { service, state, signal } = desk(() => APPLIED);
  state.refused = new AppError("OPERATION_RUNNING", "this machine is being reset");
  await assert.rejects(service.apply({ documents: [], mode: "auto" }, signal), { message: "this machine is being reset" });
});

test("a trial that nobody confirms is given back when its minute is over", async () => {
  const { service, done, state, stop } = desk((request, at) => {
    assert.deepEqual(request, { do: "revert", id: "0123abcd" });
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return { changed: true };
  });
  state.boot = LIVE;
  await assert.rejects(service.loop(stop.signal), /stopped/);
  assert.deepEqual(done, [
    "wait 60000",
    "revert",
    "read",
    "checks",
    "clear CONFIG_TRIAL",
    "machine config 2 was not confirmed: machine config 1 is back",
  ]);
});

test("a trial whose minute was over while no agent ran, or which is of an earlier boot, is given back at once", async () => {
  for (const boot of [
    { ...LIVE, trial: { ...LIVE.trial!, until: 999 } },
    { ...LIVE, config: HOME.config! },
  ]) {
    const { service, done, state, stop } = desk((_, at) => {
      at.boot = HOME;
      setImmediate(() => stop.abort(new Error("stopped")));
      return { changed: true };
    });
    state.boot = boot;
    await assert.rejects(service.loop(stop.signal), /stopped/);
    assert.equal(done[0], "revert");
  }
});

test("a clock that is set back does not make the minute longer", async () => {
  const { service, done, state, stop } = desk((_, at) => {
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return { changed: true };
  });
  state.boot = { ...LIVE, trial: { ...LIVE.trial!, until: 90_000 } };
  await assert.rejects(service.loop(stop.signal), /stopped/);
  assert.equal(done[0], "wait 60000");
});

test("a trial that cannot be given back is an alarm, and is tried again, less and less often", async () => {
  let tries = 0;
  const { service, done, state, stop } = desk((_, at) => {
    if (++tries < 12) throw new AppError("CONFIG_BUSY", "another one is being applied");
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return { changed: true };
  });
  state.boot = { ...LIVE, trial: { ...LIVE.trial!, until: 1000 } };
  await assert.rejects(service.loop(stop.signal), /stopped/);
  assert.deepEqual(
    done.filter((line) => /^(?:revert|raise|wait|clear)/.test(line)),
    [
      ...[2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60].flatMap((s) => ["revert", "raise CONFIG_TRIAL", `wait ${s * 1000}`]),
      ...["revert", "clear CONFIG_TRIAL"],
    ],
  );
});

test("one that is confirmed is not given back", async () => {
  const { service, done, state, stop } = desk((_, at) => {
    at.boot = { ...LIVE, trial: undefined } as unknown as BootConfig;
    return { generation: 2 };
  });
  const ended = service.loop(stop.signal);
  state.boot = HOME;
  assert.deepEqual(await service.confirm(), { generation: 2 });
  await new Promise(setImmediate);
  stop.abort(new Error("stopped"));
  await assert.rejects(ended, /stopped/);
  assert.ok(!done.includes("revert"));
});

test("what only the network knows is asked for again and again, less and less often, until it is all there", async () => {
  let tries = 0;
  const { service, done, state, stop } = desk(({ do: what }, at) => {
    if (what === "find") return FOUND;
    tries++;
    if (tries === 1) throw new AppError("CONFIG_BUSY", "another one is being applied");
    if (tries === 2) return { none: true };
    if (tries < 14) return { ...APPLIED, changed: false };
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return APPLIED;
  });
  state.boot = { ...HOME, awaits: true };
  await assert.rejects(service.loop(stop.signal), /stopped/);
  const waits = done.flatMap((line) => (line.startsWith("wait ") ? [Number(line.slice(5)) / 1000] : []));
  assert.deepEqual(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]);
  assert.ok(done.includes("machine config 2 is in place"));
  assert.equal(done.filter((line) => line === "network").length, 14);
  assert.equal(
    done.findLastIndex((line) => line === "stage answered"),
    done.length - 1,
    "what waited for it is run, after all of it",
  );
});

test("the network is not asked while an operation is under way, and a machine that waits for nothing asks nobody", async () => {
  const busy = desk(() => ({ none: true }), { at: "writing" } as unknown as Operation);
  let looks = 0;
  Object.defineProperty(busy.state, "boot", { get: () => (++looks > 5 ? HOME : { ...HOME, awaits: true }) });
  const waiting = busy.service.loop(busy.stop.signal);
  await new Promise(setImmediate);
  busy.stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  const [refused] = busy.done;
  assert.match(refused!, /^what the machine config takes from the network is not there yet: an operation is under way/);
  assert.ok(!busy.done.includes("network"));

  const idle = desk(() => ({ none: true }));
  const idling = idle.service.loop(idle.stop.signal);
  await new Promise(setImmediate);
  idle.stop.abort(new Error("stopped"));
  await assert.rejects(idling, /stopped/);
  assert.deepEqual(idle.done, []);
});

test("what was cut short is put right, also by an agent that comes later: it waits for whoever is still at it", async () => {
  let tries = 0;
  const { service, done, state, stop } = desk((_, at) => {
    if (++tries < 3) throw new AppError("CONFIG_BUSY", "a machine config is being applied right now");
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return { changed: true };
  });
  state.boot = { ...HOME, isHalf: true };
  await assert.rejects(service.loop(stop.signal), /stopped/);
  assert.deepEqual(
    done.filter((line) => /^(?:settle|wait)/.test(line)),
    ["settle", "wait 2000", "settle", "wait 4000", "settle"],
  );
});

for (const [health, work, told] of [
  ["healthy", "confirm", "machine config 2 is kept: this machine is healthy with it"],
  ["unhealthy", "revert", "machine config 2 was not confirmed: machine config 1 is back"],
] as const) {
  test(`what a boot has found is on trial until the machine is ${health}: ${work}`, async () => {
    let tries = 0;
    const { service, done, state, stop } = desk((_, at) => {
      if (++tries < 2) throw new AppError("CONFIG_BUSY", "another one is being applied");
      at.boot = work === "confirm" ? ({ ...LIVE, trial: undefined } as unknown as BootConfig) : HOME;
      setImmediate(() => stop.abort(new Error("stopped")));
      return { changed: true };
    });
    const { until: _until, ...trial } = LIVE.trial!;
    state.boot = { ...LIVE, trial };
    const ended = service.loop(stop.signal);
    await new Promise(setImmediate);
    service.judged();
    await new Promise(setImmediate);
    assert.deepEqual(done, [], "nobody knows yet");
    state.health = health;
    for (let report = 0; report < 2; report++) {
      service.judged();
      await new Promise(setImmediate);
    }
    await assert.rejects(ended, /stopped/);
    assert.equal(done.filter((line) => line === work).length, 2, "tried again with the next report");
    assert.equal(done.at(-1), told);
  });
}

test("one of a boot that is over is given back at once, whatever the health of this one", async () => {
  const { service, done, state, stop } = desk((_, at) => {
    at.boot = HOME;
    setImmediate(() => stop.abort(new Error("stopped")));
    return { changed: true };
  });
  const { until: _until, ...trial } = LIVE.trial!;
  state.boot = { ...HOME, trial };
  await assert.rejects(service.loop(stop.signal), /stopped/);
  assert.equal(done[0], "revert");
});

test("while a config is on trial nobody is asked over the network: what is on trial would be kept with the answer", async () => {
  const { service, done, state, stop } = desk(({ do: what }, at) => {
    if (what === "find") return FOUND;
    at.boot = what === "confirm" ? { ...HOME, awaits: true } : HOME;
    if (what === "network") setImmediate(() => stop.abort(new Error("stopped")));
    return what === "network" ? APPLIED : { generation: 2 };
  });
  const { until: _until, ...trial } = LIVE.trial!;
  state.boot = { ...LIVE, trial, awaits: true };
  const ended = service.loop(stop.signal);
  await new Promise(setImmediate);
  assert.equal(done.length, 0);
  await service.confirm();
  await assert.rejects(ended, /stopped/);
  assert.ok(done.indexOf("find") > done.indexOf("confirm"));
});
