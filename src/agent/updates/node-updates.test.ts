/** A machine in memory that keeps itself current, boot after boot as the loader's rules choose. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeUpdates } from "../../config/updates/fake-updates.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import { AppError } from "../../core/error.ts";
import type { Agent } from "../agent.ts";
import { boot as bootOnce, type Boot, type BootOptions } from "../fake-boot.ts";
import { freshDisk, type FakeDisk, type FakeMachine } from "../fake-machine.ts";

const SOURCE = "registry.example/edge";
const image = (version: string, digest: string) => ({ name: "test", version, digest, size: 64_000_000 });
const disk = (more: Partial<FakeDisk> = {}): FakeDisk =>
  freshDisk({
    images: { [`${SOURCE}:stable`]: image("2.0.0", "cc"), [`${SOURCE}:2.1.0`]: image("2.1.0", "dd") },
    places: { a: "aa", b: "bb" },
    release: () => ({ created: 1_799_000_000 }),
    ...more,
  });
const APPLY = fakeUpdates({ mode: "apply", source: SOURCE });

/** @param config what the machine config says of updates */
const boot = async (
  on: FakeDisk,
  { config = APPLY, prepare, ...more }: BootOptions & { readonly config?: UpdatesConfig | undefined } = {},
): Promise<Boot> =>
  await bootOnce(on, {
    until: 500_000,
    ...more,
    prepare: (machine, stop) => {
      machine.boot = { ...machine.boot, updates: config };
      prepare?.(machine, stop);
    },
  });
const written = ({ machine }: Boot): string[] => machine.done.filter((line) => line.startsWith("write"));
/** With the step, or why nothing is done. */
const updateEvents = ({ machine }: Boot): string[] =>
  machine.told.flatMap((event) => ("update" in event ? [`${event.update.because ?? event.update.step} ${event.kind}`] : []));
const history = ({ agent }: Boot): string[] =>
  agent.operations.history().map(({ kind, only, outcome, image: { version } }) => `${only ?? kind} ${version}: ${outcome}`);

test("a newer release is downloaded, staged, booted, proven; how long that took is remembered, and nothing more is done", async () => {
  const on = disk();
  const first = await boot(on);
  assert.deepEqual(first.machine.init.restarts, ["a restart was asked for by updates"]);
  assert.deepEqual(written(first), ["write b from 0", "write b from 0"]);
  assert.equal(on.record.slots.b.state, "trial");
  const second = await boot(on);
  assert.equal(second.slot, "b");
  assert.equal(on.record.slots.b.state, "proven");
  assert.deepEqual(history(second), ["upgrade 2.0.0: succeeded", "download 2.0.0: succeeded"]);
  assert.ok((on.updates?.took ?? 0) > 60, `${on.updates?.took} s`);
  const { next } = await (await second.agent.updates()).status();
  assert.equal(next?.because, "current");
  assert.deepEqual(second.machine.init.restarts, []);
  const { updates } = second.agent.status();
  assert.deepEqual([updates?.because, updates?.why, updates?.failures], ["current", "2.0.0 is what runs", 0]);
  assert.deepEqual(updateEvents(first), [
    ...["look update-found", "download update-began", "download update-done"],
    ...["stage update-began", "stage update-done", "restart update-began"],
  ]);
  assert.deepEqual(updateEvents(second), ["trial update-waits", "current update-waits"]);
});

test("a release that falls back is not booted again, until somebody says so", async () => {
  const on = disk();
  const isBad = (machine: FakeMachine): void => void (machine.failing["web"] = "connection refused");
  await boot(on);
  for (const _ of [1, 2, 3]) assert.equal((await boot(on, { prepare: isBad })).slot, "b");
  const back = await boot(on);
  assert.equal(back.slot, "a");
  assert.deepEqual(back.machine.init.restarts, []);
  assert.equal(on.updates?.left[0]?.version, "2.0.0");
  const updates = await back.agent.updates();
  assert.equal((await updates.status()).next?.because, "fell back");
  const told = await boot(on, {
    ask: async (agent, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      await (await agent.updates()).apply(signal);
    },
  });
  assert.deepEqual(told.machine.init.restarts, ["a restart was asked for by updates"]);
  assert.equal((await boot(on)).slot, "b");
});

test("power that goes at any change of an update only delays it, in the boot before and in the one on trial", async () => {
  for (const first of [true, false]) {
    let cuts = 0;
    for (let isCut = true; isCut; cuts++) {
      const on = disk();
      if (!first) await boot(on);
      ({ isCut } = await boot(on, { cutAfter: cuts }));
      for (let count = 0; count < 3; count++) await boot(on);
      const { active, slots } = on.record;
      assert.deepEqual([active, slots.b.state, slots.b.digest], ["b", "proven", "cc"], `cut after ${cuts}`);
      assert.deepEqual([on.updates?.left, on.state.operation], [[], undefined], `cut after ${cuts}`);
    }
    assert.ok(cuts > (first ? 20 : 4), `${cuts} places`);
  }
});

test("a release that is no good is booted three times, wherever the power goes before, and then left alone", async () => {
  for (let [cutAfter, isCut] = [0, true]; isCut; cutAfter++) {
    const on = disk();
    ({ isCut } = await boot(on, { cutAfter }));
    const booted: string[] = [];
    for (let count = 0; count < 7; count++) {
      const prepare = (machine: FakeMachine): void => {
        if (machine.facts.slot === "b") machine.failing["web"] = "connection refused";
      };
      booted.push((await boot(on, { prepare })).slot);
    }
    assert.match(booted.join(""), /^a{0,2}b{3}a+$/, `cut after ${cutAfter}`);
    assert.deepEqual(
      on.updates?.left.map(({ image: left }) => left),
      ["cc"],
    );
  }
});

test("what updates fetch comes no faster than the config says, also after a cut; what somebody asks for does", async () => {
  const on = disk();
  const config = { ...APPLY, mode: "download", bandwidth: 65_536 } as const;
  on.writeFails = [new AppError("WORKER_ENDED", "it was killed")];
  const first = await boot(on, { config });
  assert.deepEqual(written(first), ["write b from 0, 65536 bytes a second", "write b from 0, 65536 bytes a second"]);
  assert.equal(on.kept, "cc", "so that its source does not have to answer when it is staged");
  delete on.kept;
  const byHand = await boot(on, {
    config: { ...config, mode: "notify" },
    ask: async ({ operations }, signal) => {
      const source = { is: "registry", reference: `${SOURCE}:2.1.0` } as const;
      await Array.fromAsync(operations.upgrade({ source, recovery: false, force: false, restart: true }, signal));
    },
  });
  assert.deepEqual([written(byHand), on.kept], [["write b from 0"], undefined]);
});

test("while it downloads and stages, that is what its status and its plan say", async () => {
  const seen = new Set<string>();
  await boot(disk(), {
    ask: async (agent, signal) => {
      const updates = await agent.updates();
      for (; !signal.aborted; await new Promise((resolve) => setImmediate(resolve)))
        for (const next of [(await updates.status()).next!, await updates.plan()])
          seen.add(`${next.step} ${next.because}: ${next.why}`);
    },
  });
  assert.deepEqual(
    [...seen].filter((line) => /download|busy|stage/.test(line)),
    ["download due: 2.0.0 is there", "stage due: 2.0.0 is to be restarted into"],
  );
});

for (const [mode, work, state] of [
  ["notify", [], "proven"],
  ["download", ["write b from 0"], "empty"],
  ["stage", ["write b from 0"], "trial"],
] as const)
  test(`with mode ${mode} nothing is restarted, and slot b is ${state}`, async () => {
    const on = disk();
    const first = await boot(on, { config: { ...APPLY, mode } });
    assert.deepEqual([first.machine.init.restarts, written(first), on.record.slots.b.state], [[], work, state]);
  });

for (const isDamaged of [false, true])
  test(`what was staged a while ago is verified before it is restarted into; ${isDamaged ? "damaged, it is fetched again" : "whole, it is not written again"}`, async () => {
    const on = disk();
    const { machine } = await boot(on, {
      config: { ...APPLY, mode: "stage" },
      until: 3_000_000,
      ask: async (agent, signal) => {
        while (agent.status().boot.uptime < 900) await new Promise((resolve) => setImmediate(resolve));
        if (isDamaged) on.places = { ...on.places, b: "something else" };
        await (await agent.updates()).apply(signal);
      },
    });
    const work = machine.done.filter((line) => /^(?:write|verify) b/.test(line));
    const once = ["write b from 0", "verify b"];
    assert.deepEqual(work, isDamaged ? [...once, "verify b", ...once] : [...once, "verify b"]);
    assert.equal(machine.init.restarts.length, isDamaged ? 0 : 1);
    assert.equal(on.record.slots.b.state, "trial");
  });

test("a file that looks like a lock and is none keeps it from nothing, and is told once", async () => {
  const problem = "/run/petrify/locks/backup would last longer than 7 days: it is no lock";
  const { machine } = await boot(disk(), {
    prepare: ({ updates }) =>
      void Object.assign(updates.locks, { read: async () => await Promise.resolve({ locks: [], problems: [problem] }) }),
  });
  assert.equal(machine.init.restarts.length, 1);
  assert.deepEqual(
    machine.said.filter((line) => line.includes("no lock")),
    [`alarm: updates: ${problem}`],
  );
});

test("what keeps it from restarting is waited for; what was downloaded is not downloaded again", async () => {
  const on = disk({ locks: [{ name: "backup", left: 3600 }] });
  const first = await boot(on);
  assert.deepEqual([first.machine.init.restarts, history(first)], [[], ["download 2.0.0: succeeded"]]);
  const status = await (await first.agent.updates()).status();
  assert.deepEqual([status.next?.because, status.locks.map(({ name }) => name)], ["lock", ["backup"]]);
  on.locks = [];
  const second = await boot(on);
  assert.equal(second.machine.init.restarts.length, 1);
  assert.deepEqual(history(second), ["download 2.0.0: succeeded"]);
});

test("on a metered line nothing is downloaded, unless the config says so, or it is on a stick", async () => {
  const prepare = (machine: FakeMachine): void =>
    void Object.assign(machine.updates, { isMetered: async () => await Promise.resolve(true) });
  const waiting = await boot(disk(), { prepare });
  assert.deepEqual([written(waiting), (await (await waiting.agent.updates()).status()).next?.because], [[], "metered"]);
  const loading = await boot(disk(), { prepare, config: { ...APPLY, mode: "download", metered: "download" } });
  assert.deepEqual(written(loading), ["write b from 0"]);
  const stick = disk({ images: { "oci:/mnt/stick:stable": image("2.0.0", "cc") } });
  const brought = await boot(stick, { prepare, config: { ...APPLY, mode: "download", source: "oci:/mnt/stick" } });
  assert.deepEqual(written(brought), ["write b from 0"]);
});

test("of a range of versions the newest tag is looked at", async () => {
  const on = disk({ tags: ["stable", "2.0.0", "2.1.0", "3.0.0"] });
  const { agent } = await boot(on, { config: { ...APPLY, mode: "notify", channel: { versions: "^2" } } });
  assert.equal((await (await agent.updates()).status()).state.release?.version, "2.1.0");
});

test("a source that does not answer is asked again, and told", async () => {
  const on = disk({ images: {} });
  const booted = await boot(on);
  const { agent, machine } = booted;
  const { state } = await (await agent.updates()).status();
  assert.equal(state.lookFailure?.count, 2);
  const events = ["look update-failed", "retry update-waits", "look update-failed"];
  assert.deepEqual(updateEvents(booted), events, "why nothing is done is told once");
  assert.match(state.lookFailure?.reason ?? "", /cannot be read/);
  assert.deepEqual(machine.init.restarts, []);
});

test("without the fleet's lock nothing is staged; with it the machine restarts, and gives it back once it is healthy", async () => {
  const on = disk();
  const config = { ...APPLY, coordination: { fleetlock: { url: "https://lock.example", group: "edge" } } };
  const asked: string[] = [];
  let isTaken = true;
  const prepare = (machine: FakeMachine): void =>
    void Object.assign(machine.updates, {
      post: async (url: string) => {
        asked.push(url.replace("https://lock.example/v1/", ""));
        return await Promise.resolve({ status: isTaken && url.endsWith("pre-reboot") ? 409 : 200, text: "" });
      },
    });
  const first = await boot(on, { config, prepare });
  assert.deepEqual([first.machine.init.restarts, on.record.slots.b.state], [[], "empty"]);
  assert.ok(asked.includes("pre-reboot"));
  isTaken = false;
  asked.length = 0;
  const second = await boot(on, { config, prepare });
  assert.equal(second.machine.init.restarts.length, 1);
  assert.equal(asked.at(-1), "pre-reboot");
  asked.length = 0;
  await boot(on, { config, prepare });
  assert.deepEqual(asked, ["steady-state"]);
  assert.equal(on.updates?.lock, undefined);
});

test("a webhook is told of what was found and of each step, with the header that the config names; one that fails holds nothing up", async () => {
  for (const isUp of [true, false]) {
    const on = disk();
    const config = { ...APPLY, webhook: { url: "https://hook.example/secret", headers: { Authorization: "Bearer x" } } };
    const told: string[] = [];
    const prepare = (machine: FakeMachine): void =>
      void Object.assign(machine.updates, {
        post: async (url: string, body: Record<string, unknown>, headers: Record<string, string>) => {
          await Promise.resolve();
          assert.deepEqual(
            [url, headers, body["machine"]],
            [config.webhook.url, config.webhook.headers, { id: "00", hostname: "test" }],
          );
          told.push(`${String(body["step"])} ${String(body["event"])} ${String(body["version"])}`);
          if (!isUp) throw new Error("it is down");
          return { status: 204, text: "" };
        },
      });
    const { machine } = await boot(on, { config, prepare });
    assert.deepEqual(told, [
      ...["look found 2.0.0", "download began 2.0.0", "download done 2.0.0", "stage began 2.0.0", "stage done 2.0.0"],
      "restart began 2.0.0",
    ]);
    assert.equal(machine.init.restarts.length, 1);
    assert.ok(machine.said.some((line) => line.startsWith("alarm: updates: restart: 2.0.0")));
    assert.ok(!machine.said.some((line) => /secret|Bearer/.test(line)));
  }
});

test("a clock that is not set, a pause and a hold keep everything from being taken", async () => {
  const unset = (machine: FakeMachine): void =>
    void Object.assign(machine, { clockIsSet: async () => await Promise.resolve({ isSet: false, why: "nobody has" }) });
  for (const options of [
    { prepare: unset },
    { config: { ...APPLY, holdUntil: 1_900_000_000 } },
    { ask: async (agent: Agent) => await (await agent.updates()).pause({ reason: "fair" }, "ops") },
  ]) {
    const on = disk();
    const ran = await boot(on, options);
    assert.deepEqual([ran.machine.init.restarts, written(ran)], [[], []]);
  }
});

test("a machine whose config says nothing of updates does nothing, and says so; what needs a source is refused", async () => {
  const on = disk();
  const { agent, machine } = await boot(on, {
    config: undefined,
    prepare: ({ boot: own }) => delete (own as { updates?: unknown }).updates,
  });
  const updates = await agent.updates();
  assert.equal((await updates.status()).config, undefined);
  assert.deepEqual([machine.init.restarts, on.updates], [[], undefined]);
  for (const refused of [updates.plan(), updates.check(new AbortController().signal)])
    await assert.rejects(refused, (error: AppError) => error.code === "NO_UPDATES");
});

test("a plan has the next dates, and the first moment at which the machine may restart", async () => {
  const on = disk();
  const windows = [{ days: ["sat"], start: "02:00", length: 3600, zone: "UTC" }] as const;
  const { agent } = await boot(on, { config: { ...APPLY, windows } });
  const { because, dates, earliest } = await (await agent.updates()).plan();
  assert.equal(because, "window");
  assert.equal(dates[0]?.what, "look");
  assert.equal(dates.filter(({ what }) => what === "window").length, 5);
  assert.equal(earliest, dates.find(({ what }) => what === "window")?.at);
  const often = await boot(disk(), { config: { ...APPLY, windows, check: { every: 60, jitter: 0 } } });
  const other = await (await often.agent.updates()).plan();
  assert.equal(other.earliest, other.dates.find(({ what }) => what === "window")?.at, "however often is looked");
  const coordination = { fleetlock: { url: "https://lock.example", group: "default" } };
  const coordinated = await boot(disk(), { config: { ...APPLY, windows, coordination } });
  const plan = await (await coordinated.agent.updates()).plan();
  assert.equal(plan.earliest, plan.dates.find(({ what }) => what === "window")?.at);
});
