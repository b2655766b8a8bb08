import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { decide } from "../layout/boot-rules.ts";
import { keyId } from "../layout/public-key.ts";
import { openStateStore } from "../host/state-store.ts";
import { AGENT_STATE_SIZE, encodeAgentState } from "../layout/agent-state.ts";
import { encodeCheckedText } from "../layout/checked-text.ts";
import type { BootTarget } from "../layout/slots.ts";
import { firstKeys, revokeKey } from "../release/change-keys.ts";
import { openAgent, type Agent } from "./agent.ts";
import { fakeMachine, freshDisk, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { statusText } from "./status-text.ts";

interface Boot {
  readonly slot: BootTarget;
  readonly machine: FakeMachine;
  readonly agent: Agent;
}
const WHOLE = { a: true, b: true, recovery1: true, recovery2: true } as const;
let boots = 0;

/** One boot of a machine, as the loader's rules choose it. @param prepare sets the machine up, once it is there */
async function boot(disk: FakeDisk, prepare: (machine: FakeMachine, stop: () => void) => void): Promise<Boot> {
  const decided = decide({ record: disk.record, tries: disk.tries, whole: WHOLE, saves: true });
  disk.tries = decided.tries ?? disk.tries;
  const image = decided.boots!;
  const slot = image === "a" || image === "b" ? image : "recovery";
  const stop = new AbortController();
  const machine = fakeMachine(disk, { id: `boot-${++boots}`, slot, stop });
  prepare(machine, () => stop.abort());
  const agent = await openAgent(machine);
  await agent.run(stop.signal);
  return { slot, machine, agent };
}
const UNTIL = (uptime: number) => (machine: FakeMachine) => void (machine.onWait = (now) => now < uptime);
const trial = (): FakeDisk =>
  freshDisk({
    record: { active: "b", slots: { a: { state: "proven", digest: "aa" }, b: { state: "trial", digest: "bb" } }, recovery: 1 },
    tries: { a: 6, b: 3 },
  });

suite("the machine's key", () => {
  test("is shown in the status where there is an oem partition", async () => {
    const known = await boot(trial(), UNTIL(3000));
    assert.equal(known.agent.status().fingerprint, "SHA256:test");
    const without = await boot(trial(), (machine) => {
      machine.mounts.oem = undefined;
      UNTIL(3000)(machine);
    });
    assert.equal(without.agent.status().fingerprint, undefined);
  });

  test("is one of a boot from memory where that waits for an owner", async () => {
    for (const [waitsForOwner, fingerprint] of [
      [true, "SHA256:test"],
      [false, undefined],
    ] as const) {
      const { agent } = await boot(trial(), (machine) => {
        Object.assign(machine, { facts: { ...machine.facts, slot: "ram" }, waitsForOwner });
        UNTIL(3000)(machine);
      });
      assert.equal(agent.status().fingerprint, fingerprint);
    }
  });

  test("is an alarm where it cannot be read, and the machine works on", async () => {
    const { agent } = await boot({ ...trial(), keyUnreadable: true }, UNTIL(45_000));
    const { alarms, fingerprint, health } = agent.status();
    assert.deepEqual([fingerprint, health.is], [undefined, "healthy"]);
    assert.match(alarms.find(({ code }) => code === "NODE_KEY")!.message, /no key that can be used: it cannot be read/);
  });
});

suite("the keys that a machine trusts", () => {
  const pair = newKeyPair();
  const trusted = revokeKey(firstKeys([pair.publicKey, newKeyPair().publicKey], sha256), keyId(pair.publicKey, sha256), 77);

  test("are in its status, by id, with the epoch, and what became of them", async () => {
    const { agent } = await boot({ ...trial(), trusted }, UNTIL(45_000));
    const { trust, alarms } = agent.status();
    assert.equal(trust?.epoch, 2);
    assert.deepEqual(
      trust.keys.filter(({ revoked }) => revoked === 77),
      [{ id: keyId(pair.publicKey, sha256), revoked: 77 }],
    );
    assert.deepEqual([trust.keys.length, alarms], [2, []]);
  });

  test("are an alarm where nobody knows them, and the boot is a good one all the same", async () => {
    const { agent } = await boot({ ...trial(), trustUnknown: true }, UNTIL(45_000));
    const { trust, alarms, health } = agent.status();
    assert.deepEqual([trust, health.is], [undefined, "healthy"]);
    assert.match(alarms.find(({ code }) => code === "TRUST_0")!.message, /cannot be read/);
  });
});

suite("a slot on trial", () => {
  test("whose checks pass is proven, with all the tries of a proven slot", async () => {
    const disk = trial();
    const { slot, agent, machine } = await boot(disk, UNTIL(45_000));
    assert.equal(slot, "b");
    assert.equal(disk.record.slots.b.state, "proven");
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
    assert.equal(agent.status().health.is, "healthy");
    assert.deepEqual(machine.init.restarts, []);
  });

  test("is said to be healthy when it is proven, and not before", async () => {
    const stop = new AbortController();
    const machine = fakeMachine(trial(), { id: "boot", slot: "b", stop });
    UNTIL(45_000)(machine);
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
      const { slot, machine } = await boot(disk, (m) => {
        if (m.facts.slot === "b") m.failing["web"] = "status 500";
        UNTIL(200_000)(m);
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
    await boot(disk, UNTIL(1)); // b, cut off at once
    disk.tries = { a: 6, b: 0 }; // two more boots that nobody saw
    const { slot, agent } = await boot(disk, UNTIL(60_000));
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
    const { machine, agent } = await boot(disk, (m) => {
      m.failing["web"] = "no answer";
      UNTIL(900_000)(m);
    });
    assert.deepEqual(machine.init.restarts, []);
    assert.equal(agent.status().health.is, "unhealthy");
    assert.ok(machine.said.includes("alarm: this machine is not healthy: web: no answer"));
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
  });

  test("gets its tries back as soon as the agent runs, whatever its health", async () => {
    const disk = freshDisk({ tries: { a: 2, b: 6 } });
    const { machine } = await boot(disk, (m) => {
      m.failing["web"] = "x";
      UNTIL(4000)(m);
    });
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
    assert.ok(machine.done.indexOf("state") < machine.done.indexOf("tries"), "the history first");
  });

  test("that ends unexpectedly three times in a day is verified, and left when it is damaged", async () => {
    const disk = freshDisk();
    const cut = async (): Promise<Boot> =>
      await boot(disk, (m) => {
        m.damage["a"] = "block 7 of the root is not what it was";
        // The power goes: what the agent does after that is lost.
        m.onWait = (uptime) => {
          if (uptime > 20_000) m.store.store = async () => await Promise.resolve();
          return uptime < 20_000;
        };
      });
    for (let count = 0; count < 3; count++)
      assert.ok(!(await cut()).machine.done.some((line) => line.startsWith("verify")), `boot ${count}`);
    const { machine, slot } = await cut();
    assert.equal(slot, "a");
    assert.ok(machine.done.includes("verify a from 0"));
    assert.deepEqual(machine.init.restarts, ["slot a is damaged"]);
    assert.equal(disk.record.slots.a.state, "bad");
    const after = await boot(disk, UNTIL(45_000));
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

test("what is wrong with what was stored is said, and the agent works", async () => {
  const disk = freshDisk();
  const { agent } = await boot(disk, (m) => {
    Object.assign(m.store, { problems: ["a copy of the state is damaged"] });
    UNTIL(45_000)(m);
  });
  assert.deepEqual(
    agent.status().alarms.map(({ message }) => message),
    ["a copy of the state is damaged"],
  );
  assert.equal(agent.status().health.is, "healthy");
});

/** What lies on the oem partition when the agent starts; of `sound` its two files, the second one the newer. */
interface BadState {
  readonly what: string;
  readonly files: (sound: readonly [Buffer, Buffer]) => readonly [Uint8Array | "folder", Uint8Array | "folder"];
  readonly says: RegExp;
  /** Boots that are remembered besides this one. */
  readonly remembered: number;
  /** Nothing of it is changed. */
  readonly leftAlone?: boolean;
}
const flipped = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 0x10;
  return changed;
};
const NEWER = new Uint8Array(AGENT_STATE_SIZE);
NEWER.set(encodeCheckedText("petrify-state 2", "2 9\nsomething else\n"));
const BAD_STATES: readonly BadState[] = [
  {
    what: "the newer file damaged",
    files: ([one, two]) => [one, flipped(two, 60)],
    ...{ says: /is damaged: the other one is used/, remembered: 1 },
  },
  {
    what: "the older file damaged",
    files: ([one, two]) => [flipped(one, 0), two],
    ...{ says: /is damaged: the other one is used/, remembered: 2 },
  },
  {
    what: "both files damaged",
    files: ([one, two]) => [flipped(one, 20), flipped(two, 44)],
    ...{ says: /is damaged: the history of this machine starts anew/, remembered: 0 },
  },
  {
    what: "both files cut short",
    files: ([one, two]) => [one.subarray(0, 100), two.subarray(0, 0)],
    ...{ says: /is damaged: the history of this machine starts anew/, remembered: 0 },
  },
  {
    what: "folders in place of its files",
    files: () => ["folder", "folder"],
    ...{ says: /the state of the agent cannot be read: EISDIR/, remembered: 0 },
  },
  {
    what: "one file of newer software",
    files: ([one]) => [one, NEWER],
    ...{ says: /was written by newer software: it is left alone/, remembered: 1, leftAlone: true },
  },
  {
    what: "both files of newer software",
    files: () => [NEWER, NEWER],
    ...{ says: /was written by newer software: it is left alone/, remembered: 0, leftAlone: true },
  },
];

suite("an agent that finds its state to be", () => {
  for (const { what, files, says, remembered, leftAlone } of BAD_STATES) {
    test(`${what}: starts, says so, and loses nothing that lies elsewhere`, async () => {
      await using folder = await mkdtempDisposable("/dev/shm/petrify-state-");
      const path = (number: number): string => join(folder.path, `state-${number}`);
      const sound = [1, 2].map((count) => {
        const before = Array.from({ length: count }, (_, index) => ({
          ...{ id: `before-${index}`, slot: "a" as const, version: "1.0", at: index, healthy: true },
          end: { how: "stopped" as const, reason: "it was stopped" },
        }));
        return Buffer.from(encodeAgentState({ since: 1, boots: before, failedUnits: [], scrubs: {}, operations: [] }, count));
      }) as [Buffer, Buffer];
      const found = files(sound);
      for (const [index, content] of found.entries()) {
        if (content === "folder") await mkdir(path(index + 1));
        else await writeFile(path(index + 1), content);
      }

      const disk = freshDisk();
      const { record } = disk;
      const store = await openStateStore(folder.path);
      const { slot, agent } = await boot(disk, (m) => {
        Object.assign(m, { store });
        UNTIL(45_000)(m);
      });
      const { health, alarms, role, state } = agent.status();
      assert.deepEqual([slot, health.is, role, state], ["a", "healthy", "active", "proven"]);
      assert.match(alarms.map(({ message }) => message).join("\n"), says);
      assert.equal(store.found.boots.length, remembered);
      assert.deepEqual([disk.record, disk.tries], [record, { a: 6, b: 6 }], "the record is another file");
      if (found.includes("folder")) return;
      if (leftAlone) {
        for (const [index, content] of found.entries()) assert.deepEqual(await readFile(path(index + 1)), Buffer.from(content));
        return;
      }
      const again = await openStateStore(folder.path);
      assert.deepEqual([again.problems, again.found.boots.length], [[], remembered + 1], "both files are whole again");
    });
  }
});

suite("an unreadable boot record", () => {
  test("is made anew once the system is healthy, and what runs is proven", async () => {
    const disk = freshDisk({ recordUnreadable: true });
    const { agent } = await boot(disk, UNTIL(60_000));
    assert.deepEqual([disk.recordUnreadable, disk.record.active, disk.record.slots.a.state], [false, "a", "proven"]);
    assert.deepEqual(agent.status().alarms, []);
  });
  test("is an alarm, and no reason to restart, while it is not", async () => {
    const disk = freshDisk({ recordUnreadable: true });
    const { agent, machine } = await boot(disk, (m) => {
      m.failing["web"] = "x";
      UNTIL(900_000)(m);
    });
    assert.equal(disk.recordUnreadable, true);
    assert.deepEqual(machine.init.restarts, []);
    assert.deepEqual(
      agent.status().alarms.map(({ code }) => code),
      ["RECORD_UNREADABLE", "UNHEALTHY"],
    );
  });
});

suite("a slot that ends again and again, just after its agent has started", () => {
  /** The power goes before a verification has come anywhere. */
  const cut = async (disk: FakeDisk): Promise<BootTarget> => {
    const { slot } = await boot(disk, (m) => {
      Object.assign(m, { verify: async () => await new Promise<never>(() => {}) });
      m.onWait = () => {
        m.store.store = async () => await Promise.resolve();
        return false;
      };
    });
    return slot;
  };
  test("is left for the other one, if that is proven", async () => {
    const disk = freshDisk();
    const slots: BootTarget[] = [];
    while (slots.length < 12 && slots.at(-1) !== "b") slots.push(await cut(disk));
    assert.equal(slots.at(-1), "b");
    assert.ok(slots.length <= 10, slots.join());
  });
  test("is not left when there is nothing better", async () => {
    const disk = freshDisk();
    disk.record = { ...disk.record, slots: { ...disk.record.slots, b: { state: "empty" } } };
    for (let count = 0; count < 12; count++) assert.equal(await cut(disk), "a");
  });
  test("has its tries back once it is found whole", async () => {
    const disk = freshDisk();
    for (let count = 0; count < 4; count++) assert.equal(await cut(disk), "a");
    const { slot, machine } = await boot(disk, UNTIL(60_000));
    assert.equal(slot, "a");
    assert.ok(machine.done.includes("verify a from 0"));
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
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
      const { agent } = await boot(disk, (m) => {
        m.mounts.persistent = change && { ...m.mounts.oem!, ...change };
        UNTIL(20_000)(m);
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
    const { machine, agent } = await boot(disk, (m) => {
      m.onWait = (uptime) => {
        if (uptime > 10_000) disk.refusesState = false;
        return uptime < 30_000;
      };
    });
    assert.ok(machine.said.some((line) => line.startsWith("alarm: what this machine remembers cannot be stored")));
    assert.deepEqual(agent.status().alarms, []);
  });
});

suite("what happens on a machine is told:", () => {
  const kinds = ({ told }: FakeMachine) => told.map(({ kind }) => kind);

  test("a boot of a slot on trial that is proven", async () => {
    const { machine } = await boot(trial(), UNTIL(45_000));
    assert.deepEqual(kinds(machine), ["boot-started", "slot-proven", "health-changed"]);
    const slot = { name: "b", version: "1.0" };
    assert.deepEqual(machine.told[1], { kind: "slot-proven", slot });
  });

  test("one that is not healthy, and the slot that boots in its place", async () => {
    const disk = trial();
    const told: unknown[] = [];
    for (let tries = 0; tries < 3; tries++) {
      const { machine } = await boot(disk, (m) => void (m.failing["web"] = "no answer"));
      told.push(kinds(machine));
    }
    assert.deepEqual(
      told,
      Array.from({ length: 3 }, () => ["boot-started", "boot-failed", "health-changed"]),
    );
    const { machine, slot } = await boot(disk, UNTIL(45_000));
    assert.deepEqual([slot, kinds(machine).slice(0, 2)], ["a", ["boot-started", "slot-fell-back"]]);
  });

  test("a boot that ended by itself, by the next one; an agent that starts again tells no boot", async () => {
    const disk = freshDisk();
    const at = boots;
    await boot(disk, (m) => void (m.onWait = () => false));
    const { end: _, ...open } = disk.state.boots[0]!;
    disk.state = { ...disk.state, boots: [open] };
    const { machine } = await boot(disk, UNTIL(3_000));
    assert.deepEqual(kinds(machine).slice(0, 2), ["boot-failed", "boot-started"]);
    assert.ok(boots > at);
    boots--;
    const again = await boot(disk, UNTIL(3_000));
    assert.deepEqual(kinds(again.machine), []);
  });

  test("an alarm that comes and goes", async () => {
    const disk = freshDisk({ refusesState: true });
    const { machine } = await boot(disk, (m) => {
      m.onWait = (uptime) => {
        if (uptime > 10_000) disk.refusesState = false;
        return uptime < 30_000;
      };
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
    const { agent } = await boot(disk, UNTIL(20_000));
    assert.equal(
      agent.status().alarms.some(({ code }) => code === "CERTIFICATE_EXPIRES"),
      expected,
      String(days),
    );
    const unset = await boot(disk, (m) => {
      Object.assign(m, { clockIsSet: async () => await Promise.resolve({ isSet: false, why: "nobody has set it" }) });
      UNTIL(20_000)(m);
    });
    assert.deepEqual(unset.agent.status().alarms, []);
  }
});

test("copies are recorded when what they were made from is kept, and not on a slot on trial that fails", async () => {
  const proven = await boot(freshDisk(), UNTIL(60_000));
  assert.ok(proven.machine.done.includes("copies"));
  const failing = await boot(trial(), (m) => {
    m.failing["web"] = "x";
    UNTIL(45_000)(m);
  });
  assert.ok(!failing.machine.done.includes("copies"));
});

test("a watchdog that nobody else looks after gets its beats", async () => {
  const { machine } = await boot(freshDisk(), UNTIL(60_000));
  assert.ok(machine.done.filter((line) => line === "beat").length >= 2);
});

test("every image is verified once a month, each time only when nobody else wants the disk, and a machine that is damaged says so from then on", async () => {
  const disk = freshDisk();
  const day = 24 * 3600;
  const began = disk.clock;
  const verified: string[] = [];
  let alarms: readonly string[] = [];
  for (let weeks = 0; weeks < 12; weeks++) {
    const { agent } = await boot(disk, (m) => {
      const { verify } = m;
      Object.assign(m, {
        verify: async (...[todo, ...more]: Parameters<typeof verify>) => {
          verified.push(`${Math.floor((disk.clock - began) / day)} ${todo.image} ${todo.priority}`);
          return await verify(todo, ...more);
        },
      });
      if (weeks === 10) m.damage["recovery"] = "block 3";
      UNTIL(60_000)(m);
    });
    alarms = agent.status().alarms.map(({ message }) => message);
    disk.clock = began + (weeks + 1) * 7 * day;
  }
  assert.deepEqual(
    verified,
    [35, 70].flatMap((at) => [`${at} a idle`, `${at} b idle`, `${at} recovery idle`]),
  );
  assert.deepEqual(alarms, ["the image in recovery is damaged: block 3"]);
});

test("a slot that was found whole is not verified once more because the clock was set back meanwhile", async () => {
  const disk = freshDisk();
  for (let count = 0; count < 3; count++) {
    await boot(disk, (m) => {
      // The power goes: what the agent does after that is lost.
      m.onWait = () => {
        m.store.store = async () => await Promise.resolve();
        return false;
      };
    });
  }
  const { machine } = await boot(disk, (m, stop) => {
    const { verify } = m;
    disk.clock += 7200; // of hardware that is set to local time
    Object.assign(m, {
      verify: async (...args: Parameters<typeof verify>) => {
        disk.clock -= 7200; // and set right by the network
        if (m.done.includes("verify a from 0")) {
          stop();
          m.done.push("verify once more");
          throw new Error("it is whole");
        }
        return await verify(...args);
      },
    });
    UNTIL(120_000)(m);
  });
  assert.deepEqual(
    machine.done.filter((line) => line.startsWith("verify")),
    ["verify a from 0"],
  );
});

test("a scrub that is asked for reports each image, and what it found", async () => {
  const disk = freshDisk();
  const stop = new AbortController();
  const machine = fakeMachine(disk, { id: "x", stop });
  machine.damage["b"] = "block 3";
  const agent = await openAgent(machine);
  const events = await Array.fromAsync(agent.scrub(["a", "b", "recovery"], stop.signal));
  assert.deepEqual(
    events.filter(({ result }) => result),
    [
      { image: "a", result: {} },
      { image: "b", result: { damage: "block 3" } },
      { image: "recovery", result: {} },
    ],
  );
  assert.equal(disk.record.slots.b.state, "bad");
  assert.deepEqual(disk.tries, { a: 6, b: 0 });
  assert.equal(agent.status().slots.b.scrub!.damage, "block 3");
});
