import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { HistoryEntry } from "../../agent/operations/service.ts";
import type { AgentStatus } from "../../agent/status.ts";
import { AppError } from "../../core/error.ts";
import type { BootTarget, SlotName } from "../../layout/slots.ts";
import type { VmAgent } from "../../vm/agent-client.ts";
import type { CaseName } from "./cases.ts";
import { runCase, type Subject } from "./subject.ts";

const DIGEST = "60c16ce1";
/** A boot of the machine: what runs, its state at the agent's start, and the status that it comes to. */
interface Boot {
  readonly running: BootTarget;
  readonly starts: "trial" | "proven" | "recovery";
  readonly becomes?: Partial<AgentStatus>;
  /** It has answered once when the machine restarts. */
  readonly dies?: true;
}
interface Machine {
  readonly boots: readonly Boot[];
  /** Of the upgrade or rollback. */
  readonly news?: readonly object[];
  readonly history?: Partial<HistoryEntry>;
  readonly seenAt?: string;
  /** Where another image is. */
  readonly otherAt?: string;
}
const healthy = (running: SlotName, state: AgentStatus["state"] = "proven"): Partial<AgentStatus> => ({
  ...{ running, state, health: { is: "healthy", checks: [] } },
  image: { name: "edge", version: "2", digest: DIGEST, rootHash: "" },
});
const A: Boot = { running: "a", starts: "proven", becomes: healthy("a") };
const B: Boot = { running: "b", starts: "trial", becomes: healthy("b") };
const CUT: Boot = { running: "b", starts: "trial" };
const PROVEN = { role: "active", state: "proven" } as const;
const FAILING = { is: "unhealthy", checks: [{ name: "web", ok: false, reason: "status 500" }] } as const;

function subjectOf({ boots, news = [{ restarting: "upgrade" }], history = {}, seenAt = "/dev/second", otherAt }: Machine) {
  let at = -1;
  let resets = 0;
  let answered: Boot | undefined;
  const gone = Promise.withResolvers<void>();
  const calls: string[] = [];
  const answer = async function* (call: string, signal: AbortSignal, body?: object): AsyncGenerator<unknown, void> {
    await Promise.resolve();
    signal.throwIfAborted();
    calls.push(call);
    const boot = boots[at]!;
    const isGone = boot.dies && answered === boot;
    answered = boot;
    if (isGone) gone.resolve();
    if (isGone) throw new AppError("AGENT_GONE", "gone");
    switch (call) {
      case "GET /status":
        return yield {
          ...{ running: boot.running, state: boot.starts, health: { is: "starting", checks: [] }, boot: { uptime: 20 } },
          ...{ slots: { a: { state: "proven" }, b: { state: "trial" } }, image: { name: "edge", version: "1" } },
          failedBoots: at > 0 ? [{ end: { reason: "web: status 500" } }] : [],
          ...boot.becomes,
        };
      case "POST /upgrade/plan": {
        const { path } = (body as { source: { path: string } }).source;
        if (path === otherAt) return yield { image: { image: { digest: "00" } }, target: "slot b" };
        if (path !== seenAt) throw new AppError("IMAGE_UNREADABLE", `${path} cannot be read`);
        return yield { image: { image: { digest: DIGEST } }, target: "slot b" };
      }
      case "GET /history":
        return yield { operations: [{ kind: "upgrade", outcome: "succeeded", ...history }] };
      case "POST /upgrade":
        assert.equal((body as { source: { path: string } }).source.path, seenAt);
        return yield* news;
      default:
        yield* news;
    }
  };
  const agent: VmAgent = {
    booted: async (signal) => {
      // The next boot is there once somebody has brought it about.
      const isNext = at === -1 || calls.at(-1)?.startsWith("POST") || resets > 0;
      if (boots[at]?.dies) await gone.promise;
      else if (!isNext || !boots[at + 1]) {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      }
      const { running, starts } = boots[++at]!;
      return { boot: String(at), running, state: starts };
    },
    ask: answer,
  };
  const subject: Subject = {
    agent,
    reset: async () => void (await Promise.resolve(resets++)),
    paths: ["/dev/first", "/dev/second"],
    image: { name: "edge", version: "2", digest: DIGEST },
    isSame: false,
    note: () => {},
  };
  return { subject, begin: () => at++, resets: () => resets };
}

const passes: readonly { readonly name: CaseName; readonly machine: Machine; readonly says: RegExp; readonly resets?: number }[] =
  [
    { name: "boot", machine: { boots: [A] }, says: /slot a is healthy after 20 s/ },
    { name: "upgrade", machine: { boots: [A, B] }, says: /^edge 2 in slot b is healthy after 20 s, and proven$/ },
    { name: "upgrade", machine: { boots: [A, B], otherAt: "/dev/first" }, says: /^edge 2 in slot b/ },
    {
      name: "rollback",
      machine: { boots: [{ ...B, becomes: healthy("b") }, A], history: { kind: "rollback" } },
      says: /slot a runs again, and is healthy/,
    },
    {
      name: "fallback",
      machine: { boots: [A, CUT, CUT, CUT, A], history: { outcome: "fell back", reason: "it ended" } },
      says: /^slot a runs again after 3 failed boots of slot b: it ended$/,
      resets: 3,
    },
  ];

const fails: readonly {
  readonly what: string;
  readonly name: CaseName;
  readonly machine: Machine;
  readonly code: string;
  readonly why: RegExp;
}[] = [
  {
    ...{ what: "the first boot is recovery's", name: "boot", code: "FELL_BACK" },
    ...{ machine: { boots: [{ running: "recovery", starts: "recovery" }] }, why: /recovery was booted, and not slot a/ },
  },
  {
    ...{ what: "what was healthy once is not any more", name: "boot", code: "NOT_HEALTHY" },
    ...{ machine: { boots: [{ ...A, becomes: { health: FAILING } }] }, why: /slot a is not healthy: web: status 500/ },
  },
  {
    ...{ what: "the machine does not see the image", name: "upgrade", code: "IMAGE_UNREADABLE" },
    ...{ machine: { boots: [A], seenAt: "/dev/third" }, why: /first cannot be read/ },
  },
  {
    ...{ what: "the upgrade fails", name: "upgrade", code: "OPERATION_FAILED" },
    ...{ machine: { boots: [A], news: [{ ended: { outcome: "failed", reason: "EIO" } }] }, why: /it failed: EIO/ },
  },
  {
    ...{ what: "the new image is not healthy and restarts the machine", name: "upgrade", code: "FELL_BACK" },
    machine: { boots: [A, { ...B, becomes: { state: "trial", health: FAILING }, dies: true }, B] },
    why: /it restarted before it was healthy: web: status 500/,
  },
  {
    ...{ what: "the old slot runs after an upgrade", name: "upgrade", code: "FELL_BACK" },
    ...{ machine: { boots: [A, A] }, why: /slot a was booted, and not slot b: web: status 500/ },
  },
  {
    ...{ what: "another image runs than the one that was written", name: "upgrade", code: "NOT_AS_EXPECTED" },
    machine: {
      boots: [A, { ...B, becomes: { ...healthy("b"), image: { name: "edge", version: "1", digest: "00", rootHash: "" } } }],
    },
    why: /another image/,
  },
  {
    ...{ what: "the history tells another story", name: "upgrade", code: "NOT_AS_EXPECTED" },
    ...{ machine: { boots: [A, B], history: { outcome: "fell back", reason: "x" } }, why: /ends with: upgrade, fell back: x/ },
  },
  {
    ...{ what: "an upgrade that is cut off has fewer tries than it should", name: "fallback", code: "NOT_AS_EXPECTED" },
    ...{ machine: { boots: [A, CUT, CUT, A] }, why: /left after 2 boots, and it has 3 tries/ },
  },
  {
    ...{ what: "an upgrade that is cut off becomes proven", name: "fallback", code: "NOT_AS_EXPECTED" },
    ...{ machine: { boots: [A, CUT, { ...CUT, starts: "proven" }] }, why: /was proven after 1 boots/ },
  },
  {
    ...{ what: "recovery runs in place of the old slot", name: "fallback", code: "NOT_AS_EXPECTED" },
    machine: { boots: [A, CUT, CUT, CUT, { running: "recovery", starts: "recovery" }] },
    why: /recovery was booted, and not slot a/,
  },
  {
    ...{ what: "an upgrade that was cut off counts as proven in the end", name: "fallback", code: "NOT_AS_EXPECTED" },
    machine: {
      boots: [A, CUT, CUT, CUT, { ...A, becomes: { ...healthy("a"), slots: { a: PROVEN, b: PROVEN } } }],
      history: { outcome: "fell back", reason: "it ended" },
    },
    why: /slot b counts as proven/,
  },
  {
    ...{ what: "the history does not say why it fell back", name: "fallback", code: "NOT_AS_EXPECTED" },
    machine: { boots: [A, CUT, CUT, CUT, A], history: { outcome: "fell back" } },
    why: /does not say why/,
  },
];

suite("a case", () => {
  const played = async (name: CaseName, machine: Machine) => {
    const { subject, begin, resets } = subjectOf(machine);
    if (name !== "boot") begin(); // it runs already
    return { says: await runCase(name, subject, AbortSignal.timeout(60_000)), resets: resets() };
  };
  for (const { name, machine, says, resets = 0 } of passes) {
    test(`${name} passes, and says what it has shown${machine.otherAt ? ", whatever the other disk has" : ""}`, async () => {
      const result = await played(name, machine);
      assert.match(result.says, says);
      assert.equal(result.resets, resets);
    });
  }
  for (const { what, name, machine, code, why } of fails) {
    test(`${name} fails when ${what}`, async () => await assert.rejects(played(name, machine), { code, message: why }));
  }

  test("does not take a slot that is healthy for one that is proven, nor one whose operation goes on", async () => {
    const operation = { id: "1", kind: "upgrade", at: "trial", text: "on trial" } as const;
    const steps = [
      healthy("a", "trial"),
      { ...healthy("a"), operation },
      { ...healthy("a"), boot: { id: "1", since: 0, uptime: 77 } },
    ];
    let asked = 0;
    const boot: Boot = {
      ...A,
      get becomes() {
        return steps[asked++]!;
      },
    };
    assert.match((await played("boot", { boots: [boot] })).says, /after 77 s/);
  });

  test("ends with the signal's reason when its time is over", async () => {
    const { subject } = subjectOf({ boots: [{ running: "a", starts: "trial" }] });
    const late = new AppError("TEST_TIMEOUT", "it took too long");
    const stop = new AbortController();
    const running = runCase("boot", { ...subject, note: (text) => text.startsWith("slot a") && stop.abort(late) }, stop.signal);
    await assert.rejects(running, late);
  });
});
