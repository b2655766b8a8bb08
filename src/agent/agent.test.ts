import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { keyId } from "../layout/public-key.ts";
import { firstKeys, revokeKey } from "../release/change-keys.ts";
import { openAgent } from "./agent.ts";
import { boot, type Boot } from "./fake-boot.ts";
import { fakeMachine, freshDisk, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { statusText } from "./status-text.ts";

const trial = (): FakeDisk =>
  freshDisk({
    record: { active: "b", slots: { a: { state: "proven", digest: "aa" }, b: { state: "trial", digest: "bb" } }, recovery: 1 },
    tries: { a: 6, b: 3 },
  });

suite("the machine's key", () => {
  test("is shown in the status where there is an oem partition", async () => {
    const known = await boot(trial(), { until: 3000 });
    assert.equal(known.agent.status().fingerprint, "SHA256:test");
    const without = await boot(trial(), {
      until: 3000,
      prepare: (machine) => void (machine.mounts.oem = undefined),
    });
    assert.equal(without.agent.status().fingerprint, undefined);
  });

  test("is one of a boot from memory where that waits for an owner", async () => {
    for (const [waitsForOwner, fingerprint] of [
      [true, "SHA256:test"],
      [false, undefined],
    ] as const) {
      const { agent } = await boot(trial(), {
        until: 3000,
        prepare: (machine) => void Object.assign(machine, { facts: { ...machine.facts, slot: "ram" }, waitsForOwner }),
      });
      assert.equal(agent.status().fingerprint, fingerprint);
    }
  });

  test("is an alarm where it cannot be read, and the machine works on", async () => {
    const { agent } = await boot({ ...trial(), keyUnreadable: true }, { until: 45_000 });
    const { alarms, fingerprint, health } = agent.status();
    assert.deepEqual([fingerprint, health.is], [undefined, "healthy"]);
    assert.match(alarms.find(({ code }) => code === "NODE_KEY")!.message, /no key that can be used: it cannot be read/);
  });
});

suite("the keys that a machine trusts", () => {
  const pair = newKeyPair();
  const trusted = revokeKey(firstKeys([pair.publicKey, newKeyPair().publicKey], sha256), keyId(pair.publicKey, sha256), 77);

  test("are in its status, by id, with the epoch, and what became of them", async () => {
    const { agent } = await boot({ ...trial(), trusted }, { until: 45_000 });
    const { trust, alarms } = agent.status();
    assert.equal(trust?.epoch, 2);
    assert.deepEqual(
      trust.keys.filter(({ revoked }) => revoked === 77),
      [{ id: keyId(pair.publicKey, sha256), revoked: 77 }],
    );
    assert.deepEqual([trust.keys.length, alarms], [2, []]);
  });

  test("are an alarm where nobody knows them, and the boot is a good one all the same", async () => {
    const { agent } = await boot({ ...trial(), trustUnknown: true }, { until: 45_000 });
    const { trust, alarms, health } = agent.status();
    assert.deepEqual([trust, health.is], [undefined, "healthy"]);
    assert.match(alarms.find(({ code }) => code === "TRUST_0")!.message, /cannot be read/);
  });
});

suite("a slot on trial", () => {
  test("whose checks pass is proven, with all the tries of a proven slot", async () => {
    const disk = trial();
    const { slot, agent, machine } = await boot(disk, { until: 45_000 });
    assert.equal(slot, "b");
    assert.equal(disk.record.slots.b.state, "proven");
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
    assert.equal(agent.status().health.is, "healthy");
    assert.deepEqual(machine.init.restarts, []);
  });

  test("is said to be healthy when it is proven, and not before", async () => {
    const stop = new AbortController();
    const machine = fakeMachine(trial(), { id: "boot", slot: "b", stop });
    machine.onWait = (uptime) => uptime < 45_000;
    const agent = await openAgent(machine);
    const { record } = machine;
    const change = record.change.bind(record);
    const seen: string[] = [];
    const watched: FakeMachine["record"]["change"] = async (choose) => {
      seen.push(`${agent.status().health.is}, ${agent.status().slots.b.state}`);
      return await change(choose);
    };
    Object.assign(record, { change: watched });
    await agent.run(stop.signal);
    assert.deepEqual(new Set(seen), new Set(["starting, trial"]));
    assert.deepEqual([agent.status().health.is, agent.status().slots.b.state], ["healthy", "proven"]);
  });

  test("whose check fails is left after three boots, and the old slot knows why", async () => {
    const disk = trial();
    const run: string[] = [];
    for (let count = 0; count < 4; count++) {
      const { slot, machine } = await boot(disk, {
        until: 200_000,
        prepare: (m) => {
          if (m.facts.slot === "b") m.failing["web"] = "status 500";
        },
      });
      run.push(`${slot}${machine.init.restarts.length > 0 ? " restarts" : ""}`);
    }
    assert.deepEqual(run, ["b restarts", "b restarts", "b restarts", "a"]);
    const failed = disk.state.boots.filter(({ slot }) => slot === "b");
    assert.equal(failed.length, 3);
    assert.match(failed[0]!.end!.reason, /not healthy 60 s after the kernel's start: web: status 500/);
    assert.deepEqual(failed.at(-1)!.end!.log, { source: "journal", text: `journal of ${failed.at(-1)!.id}` });
    assert.equal(disk.record.slots.b.state, "trial");
  });

  test("that dies before its agent runs is counted by the tries it took", async () => {
    const disk = trial();
    await boot(disk, { until: 1 }); // b, cut off at once
    disk.tries = { a: 6, b: 0 }; // two more boots that nobody saw
    const { slot, agent } = await boot(disk, { until: 60_000 });
    assert.equal(slot, "a");
    const failed = agent.status().failedBoots;
    assert.deepEqual(
      failed.map((entry) => `${entry.slot} ${entry.end!.how}`),
      ["b unseen", "b unseen"],
      "the first one was stopped in good order",
    );
    assert.match(statusText(agent.status()), /slot b, .* ago: it ended before its agent had started/);
  });
});

suite("a proven slot", () => {
  test("whose check fails raises an alarm, and never restarts", async () => {
    const disk = freshDisk();
    const { machine, agent } = await boot(disk, {
      until: 900_000,
      prepare: (m) => void (m.failing["web"] = "no answer"),
    });
    assert.deepEqual(machine.init.restarts, []);
    assert.equal(agent.status().health.is, "unhealthy");
    assert.ok(machine.said.includes("alarm: this machine is not healthy: web: no answer"));
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
  });

  test("gets its tries back as soon as the agent runs, whatever its health", async () => {
    const disk = freshDisk({ tries: { a: 2, b: 6 } });
    const { machine } = await boot(disk, {
      until: 4000,
      prepare: (m) => void (m.failing["web"] = "x"),
    });
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
    assert.ok(machine.done.indexOf("state") < machine.done.indexOf("tries"), "the history first");
  });

  test("that ends unexpectedly three times in a day is verified, and left when it is damaged", async () => {
    const disk = freshDisk();
    const cut = async (): Promise<Boot> =>
      await boot(disk, {
        prepare: (m) => {
          m.damage["a"] = "block 7 of the root is not what it was";
          // The power goes: what the agent does after that is lost.
          m.onWait = (uptime) => {
            if (uptime > 20_000) m.store.store = async () => await Promise.resolve();
            return uptime < 20_000;
          };
        },
      });
    for (let count = 0; count < 3; count++)
      assert.ok(!(await cut()).machine.done.some((line) => line.startsWith("verify")), `boot ${count}`);
    const { machine, slot } = await cut();
    assert.equal(slot, "a");
    assert.ok(machine.done.includes("verify a from 0"));
    assert.deepEqual(machine.init.restarts, ["slot a is damaged"]);
    assert.equal(disk.record.slots.a.state, "bad");
    const after = await boot(disk, { until: 45_000 });
    assert.equal(after.slot, "b");
    assert.match(after.agent.status().slots.a.scrub!.damage!, /block 7/);
    assert.deepEqual(
      after.agent.status().alarms.map(({ code }) => code),
      ["DAMAGED_a"],
    );
    assert.deepEqual(
      disk.state.boots.map(({ end }) => end?.how),
      ["unexpected", "unexpected", "unexpected", "damaged", "stopped"],
      "tries that were taken away are no boots",
    );
  });
});

suite("a data partition", () => {
  test("that is missing, read-only or full is an alarm and costs no try", async () => {
    for (const [change, message] of [
      [undefined, /the persistent partition cannot be mounted/],
      [{ readOnly: true }, /the persistent partition is read-only/],
      [{ free: 0 }, /the persistent partition is full/],
      [{ freeInodes: 0 }, /can hold no more files/],
    ] as const) {
      const disk = freshDisk();
      const { agent } = await boot(disk, {
        until: 20_000,
        prepare: (m) => void (m.mounts.persistent = change && { ...m.mounts.oem!, ...change }),
      });
      assert.match(
        agent
          .status()
          .alarms.map(({ message: text }) => text)
          .join(),
        message,
      );
      assert.deepEqual(disk.tries, { a: 6, b: 6 });
    }
  });

  test("without room for the agent's state is an alarm that ends when there is room again", async () => {
    const disk = freshDisk({ refusesState: true });
    const { machine, agent } = await boot(disk, {
      prepare: (m) => {
        m.onWait = (uptime) => {
          if (uptime > 10_000) disk.refusesState = false;
          return uptime < 30_000;
        };
      },
    });
    assert.ok(machine.said.some((line) => line.startsWith("alarm: what this machine remembers cannot be stored")));
    assert.deepEqual(agent.status().alarms, []);
  });
});

suite("what happens on a machine is told:", () => {
  const kinds = ({ told }: FakeMachine) => told.map(({ kind }) => kind);

  test("a boot of a slot on trial that is proven", async () => {
    const { machine } = await boot(trial(), { until: 45_000 });
    assert.deepEqual(kinds(machine), ["boot-started", "slot-proven", "health-changed"]);
    const slot = { name: "b", version: "1.0" };
    assert.deepEqual(machine.told[1], { kind: "slot-proven", slot });
  });

  test("one that is not healthy, and the slot that boots in its place", async () => {
    const disk = trial();
    const told: unknown[] = [];
    for (let tries = 0; tries < 3; tries++) {
      const { machine } = await boot(disk, { prepare: (m) => void (m.failing["web"] = "no answer") });
      told.push(kinds(machine));
    }
    assert.deepEqual(
      told,
      Array.from({ length: 3 }, () => ["boot-started", "boot-failed", "health-changed"]),
    );
    const { machine, slot } = await boot(disk, { until: 45_000 });
    assert.deepEqual([slot, kinds(machine).slice(0, 2)], ["a", ["boot-started", "slot-fell-back"]]);
  });

  test("a boot that ended by itself, by the next one; an agent that starts again tells no boot", async () => {
    const disk = freshDisk();
    await boot(disk, { until: 0 });
    const { end: _, ...open } = disk.state.boots[0]!;
    disk.state = { ...disk.state, boots: [open] };
    const { machine } = await boot(disk, { until: 3_000, id: "second" });
    assert.deepEqual(kinds(machine).slice(0, 2), ["boot-failed", "boot-started"]);
    const again = await boot(disk, { until: 3_000, id: "second" });
    assert.deepEqual(kinds(again.machine), []);
  });

  test("an alarm that comes and goes", async () => {
    const disk = freshDisk({ refusesState: true });
    const { machine } = await boot(disk, {
      prepare: (m) => {
        m.onWait = (uptime) => {
          if (uptime > 10_000) disk.refusesState = false;
          return uptime < 30_000;
        };
      },
    });
    const code = "STATE_NOT_STORED";
    const alarms = machine.told.filter(({ kind }) => kind === "alarm-raised" || kind === "alarm-cleared");
    assert.deepEqual(alarms, [
      { kind: "alarm-raised", alarm: { code } },
      { kind: "alarm-cleared", alarm: { code } },
    ]);
  });
});

test("a certificate that ends within a month is an alarm, unless nobody knows what day it is", async () => {
  const day = 86_400;
  for (const [days, expected] of [
    [40, false],
    [29, true],
    [-3, true],
  ] as const) {
    const disk = freshDisk();
    disk.certificateEnds = disk.clock + days * day;
    const { agent } = await boot(disk, { until: 20_000 });
    assert.equal(
      agent.status().alarms.some(({ code }) => code === "CERTIFICATE_EXPIRES"),
      expected,
      String(days),
    );
    const unset = await boot(disk, {
      until: 20_000,
      prepare: (m) =>
        void Object.assign(m, { clockIsSet: async () => await Promise.resolve({ isSet: false, why: "nobody has set it" }) }),
    });
    assert.deepEqual(unset.agent.status().alarms, []);
  }
});

test("copies are recorded when what they were made from is kept, and not on a slot on trial that fails", async () => {
  const proven = await boot(freshDisk(), { until: 60_000 });
  assert.ok(proven.machine.done.includes("copies"));
  const failing = await boot(trial(), {
    until: 45_000,
    prepare: (m) => void (m.failing["web"] = "x"),
  });
  assert.ok(!failing.machine.done.includes("copies"));
});

test("a watchdog that nobody else looks after gets its beats", async () => {
  const { machine } = await boot(freshDisk(), { until: 60_000 });
  assert.ok(machine.done.filter((line) => line === "beat").length >= 2);
});
