import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import { GiB } from "../../core/units.ts";
import { fakeInitSystem } from "../../host/init-system.ts";
import type { FlashTarget } from "../../layout/flash-target.ts";
import type { Installed, InstallNews, InstallPlan, InstallRequest } from "../../layout/install.ts";
import type { AgentPorts } from "../ports.ts";
import { openInstaller } from "./installer.ts";

const TARGET: FlashTarget = {
  ...{ path: "/dev/vda", kind: "disk", size: 8 * GiB, sectorSize: 512, readOnly: false, removable: false },
  ...{ mounts: [], holders: [], loops: [], isBusy: false, isAllowed: true, found: [] },
};
const PLAN: InstallPlan = {
  disk: { target: TARGET, refusals: [] },
  rule: "/dev/vda was named.",
  image: { name: "edge", version: "1", size: 1 },
  ...{ slotSize: 2, needed: 3 },
};
const REQUEST: InstallRequest = { device: "/dev/vda", wipe: false, after: "reboot" };
const INSTALLED: Installed = {
  ...{ disk: "/dev/vda", name: "edge", version: "1", fingerprint: "SHA256:x", after: "reboot", seconds: 1 },
};
const never = new AbortController().signal;

/** An installation whose steps the test makes happen. */
function desk(
  slot: AgentPorts["facts"]["slot"] = "ram",
  ports: Partial<AgentPorts["install"]> = {},
  stage: AgentPorts["stages"]["start"] = async () => await Promise.resolve(),
) {
  const said: string[] = [];
  const init = fakeInitSystem();
  const begun: { tell: (news: InstallNews) => void; signal: AbortSignal; request: InstallRequest }[] = [];
  let ends: PromiseWithResolvers<Installed> = Promise.withResolvers();
  const installer = openInstaller({
    facts: { slot, file: "/system.img", rootHash: "", partitions: {}, notes: [], reached: {} },
    init,
    wait: async () => await Promise.resolve(),
    log: (level, line) => void said.push(`${level}: ${line}`),
    stages: { runs: () => [], drift: () => undefined, start: stage },
    install: {
      disks: async () => await Promise.resolve([PLAN.disk]),
      plan: async () => await Promise.resolve(PLAN),
      install: async (request, tell, signal) => {
        ends = Promise.withResolvers();
        signal.addEventListener("abort", () => ends.reject(signal.reason as Error));
        begun.push({ tell, signal, request });
        return await ends.promise;
      },
      ...ports,
    },
  });
  return { installer, init, said, begun, end: () => ends };
}
const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

suite("an installation", () => {
  test("is refused by a stage before it, before anything is written; one after it that fails is told", async () => {
    const failing = (name: string) => async (started: string) =>
      await (started === name ? Promise.reject(new AppError("STAGE_FAILED", `${name} has failed`)) : Promise.resolve());
    const before = desk("ram", {}, failing("before-install"));
    await assert.rejects(Array.fromAsync(before.installer.install(REQUEST, never)), { code: "STAGE_FAILED" });
    assert.equal(before.begun.length, 0);
    const after = desk("ram", {}, failing("after-install"));
    const news = Array.fromAsync(after.installer.install(REQUEST, never));
    await settle();
    after.end().resolve(INSTALLED);
    assert.deepEqual(await news, [{ installed: INSTALLED }]);
    assert.ok(after.said.includes("alarm: after-install has failed"));
  });

  test("is told to whoever began it and to whoever follows, from its plan on; then what comes after it", async () => {
    const { installer, init, begun, end, said } = desk();
    const first = Array.fromAsync(installer.install(REQUEST, never));
    await settle();
    begun[0]!.tell({ plan: PLAN });
    begun[0]!.tell({ phase: "writing", done: 1, total: 2 });
    await settle();
    const second = Array.fromAsync(installer.follow(never));
    await settle();
    begun[0]!.tell({ phase: "finishing", done: 1, total: 1 });
    await settle();
    assert.deepEqual(init.restarts, []);
    assert.deepEqual(installer.status(), { is: "running", disk: "/dev/vda", after: "reboot", text: "finishing", percent: 100 });
    end().resolve(INSTALLED);
    const whole: InstallNews[] = [
      { plan: PLAN },
      { phase: "writing", done: 1, total: 2 },
      { phase: "finishing", done: 1, total: 1 },
      { installed: INSTALLED },
    ];
    assert.deepEqual(await first, whole);
    assert.deepEqual(await second, whole);
    assert.deepEqual(await Array.fromAsync(installer.follow(never)), [whole[0], whole[2], whole[3]], "the last one");
    assert.deepEqual(init.restarts, ["installed on /dev/vda"]);
    assert.deepEqual(installer.status(), { is: "done", disk: "/dev/vda", after: "reboot", text: "it is installed" });
    assert.match(said.join(), /info: edge 1 is installed on \/dev\/vda/);
  });

  for (const [after, restarts, powerOffs] of [
    ["reboot", 1, 0],
    ["poweroff", 0, 1],
    ["stay", 0, 0],
  ] as const) {
    test(`is followed by what was asked for: ${after}`, async () => {
      const { installer, init, end } = desk();
      const news = Array.fromAsync(installer.install({ ...REQUEST, after }, never));
      await settle();
      end().resolve({ ...INSTALLED, after });
      await news;
      await settle();
      assert.deepEqual([init.restarts.length, init.powerOffs.length], [restarts, powerOffs]);
    });
  }

  test("is the only one; after its end there can be another", async () => {
    const { installer, begun, end, init } = desk();
    const first = Array.fromAsync(installer.install(REQUEST, never));
    await settle();
    await assert.rejects(Array.fromAsync(installer.install(REQUEST, never)), { code: "INSTALL_RUNNING" });
    assert.equal(begun.length, 1);
    end().reject(new AppError("DEVICE_HOLDS_DATA", "it holds data"));
    await assert.rejects(first, { code: "DEVICE_HOLDS_DATA" });
    await assert.rejects(Array.fromAsync(installer.follow(never)), { code: "DEVICE_HOLDS_DATA" });
    assert.deepEqual(init.restarts, [], "a machine that is not installed stays");
    assert.deepEqual(installer.status(), { is: "failed", disk: "/dev/vda", after: "reboot", text: "it holds data" });
    const second = Array.fromAsync(installer.install(REQUEST, never));
    await settle();
    end().resolve(INSTALLED);
    assert.deepEqual((await second).at(-1), { installed: INSTALLED });
  });

  test("and every look at the disks have them alone, in the order they came: two consoles ask at once", async () => {
    const events: string[] = [];
    let free: PromiseWithResolvers<void>;
    const step = async <T>(name: string, result: T): Promise<T> => {
      events.push(`${name} begins`);
      free = Promise.withResolvers();
      await free.promise;
      events.push(`${name} ends`);
      return result;
    };
    const { installer } = desk("ram", {
      disks: async (signal) => {
        const disks = await step("look", [PLAN.disk]);
        signal.throwIfAborted();
        return disks;
      },
      plan: async () => await step("plan", PLAN),
      install: async () => await step("installation", INSTALLED),
    });
    const gone = AbortSignal.abort(new Error("gone"));
    const all = Promise.allSettled([
      installer.disks(gone),
      installer.disks(never),
      installer.plan(REQUEST, never),
      Array.fromAsync(installer.install({ ...REQUEST, after: "stay" }, never)),
    ]);
    for (const _ of Array(4)) {
      await settle();
      assert.match(events.at(-2) ?? "ends", / ?ends$/, "the one before has ended");
      free!.resolve();
    }
    const ends = await all;
    assert.deepEqual(
      events,
      ["look", "look", "plan", "installation"].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    assert.deepEqual(
      ends.map(({ status }) => status),
      ["rejected", "fulfilled", "fulfilled", "fulfilled"],
    );
  });

  test("has the disks alone: no look finds the disk that it has in use", async () => {
    const { installer, end } = desk();
    const first = Array.fromAsync(installer.install({ ...REQUEST, after: "stay" }, never));
    await assert.rejects(installer.disks(never), { code: "INSTALL_RUNNING" });
    await assert.rejects(installer.plan(REQUEST, never), { code: "INSTALL_RUNNING" });
    await settle();
    end().resolve(INSTALLED);
    await first;
    assert.deepEqual(await installer.disks(never), { disks: [PLAN.disk] });
  });

  test("ends when whoever began it goes, not when one who follows does", async () => {
    const { installer, begun } = desk();
    const [own, other] = [new AbortController(), new AbortController()];
    const first = Array.fromAsync(installer.install(REQUEST, own.signal));
    await settle();
    const second = Array.fromAsync(installer.follow(other.signal));
    other.abort(new Error("gone"));
    await second;
    assert.equal(begun[0]!.signal.aborted, false);
    assert.equal(installer.isUnderWay(), true);
    own.abort(new Error("gone"));
    await first;
    assert.equal(begun[0]!.signal.aborted, true);
    await assert.rejects(Array.fromAsync(installer.follow(never)), { code: "INSTALL_STOPPED" });
    assert.equal(installer.isUnderWay(), false);
  });

  test("goes on to its end once only the tables are still to be written", async () => {
    const { installer, begun, end, init } = desk();
    const own = new AbortController();
    const news = Array.fromAsync(installer.install(REQUEST, own.signal));
    await settle();
    begun[0]!.tell({ phase: "finishing", done: 0, total: 1 });
    own.abort(new Error("gone"));
    await news;
    assert.equal(begun[0]!.signal.aborted, false);
    end().resolve(INSTALLED);
    await settle();
    assert.equal(init.restarts.length, 1);
  });

  test("is for systems that run from memory: any other one says so to every call", async () => {
    const { installer, begun } = desk("a");
    const refused = { code: "NOT_AN_INSTALLER" };
    await assert.rejects(installer.disks(never), refused);
    await assert.rejects(installer.plan(REQUEST, never), refused);
    await assert.rejects(Array.fromAsync(installer.install(REQUEST, never)), refused);
    await assert.rejects(Array.fromAsync(installer.follow(never)), refused);
    assert.equal(begun.length, 0);
  });

  test("a machine that cannot be restarted says so", async () => {
    const { installer, init, end, said } = desk();
    init.restart = async () => await Promise.reject(new Error("no bus"));
    const news = Array.fromAsync(installer.install(REQUEST, never));
    await settle();
    end().resolve(INSTALLED);
    await news;
    await settle();
    assert.match(said.join(), /alarm: the machine cannot be restarted: no bus/);
  });
});
