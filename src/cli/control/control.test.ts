import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import { openApi } from "../../agent/api/open-api.ts";
import { fakeAuthority, fakeStatus } from "../../agent/api/testing.ts";
import { auditLog, auditPieces } from "../../agent/audit-log.ts";
import { auditFiles } from "../../host/audit-files.ts";
import { AppError } from "../../core/error.ts";
import { sha256 } from "../../host/sha256.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { runForTest } from "../testing.ts";

const HOST = "127.0.0.1";
type Answer = (body: object | undefined) => AsyncIterable<unknown> | Iterable<unknown>;

/** A machine whose agent answers what the test says, and somebody with a role who calls it. */
async function desk(answers: Readonly<Record<string, Answer>>, role: "reader" | "operator" | "admin" = "admin") {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-control-"));
  const cwd = folder.path;
  const fleet = await fakeAuthority();
  const { certificate, key } = await fleet.person({ name: "alice", role });
  for (const [name, text] of Object.entries({ ca: fleet.certificate, certificate, key })) await writeFile(join(cwd, name), text);
  const asked: [call: string, by: string | undefined, body: unknown][] = [];
  let boot = "b00t";
  const api = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...(await fleet.machine(HOST)), authorities: fleet.certificate, epoch: 0, now: secondsNow },
    log: () => {},
    ask: async function* (method, url, _signal, body, caller) {
      asked.push([`${method} ${url}`, caller && `${caller.name} ${caller.role} ${caller.address.replace("::ffff:", "")}`, body]);
      yield* answers[`${method} ${url}`]!(body);
    },
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve({ ...fakeStatus, boot: { ...fakeStatus.boot, id: boot } }),
      operation: async function* () {
        yield* answers["GET /operation"]!(undefined) as AsyncIterable<never>;
      },
      look: async function* () {},
    },
  });
  const address = `${HOST}:${api.port}`;
  const petrify = async (args: readonly string[], input?: NodeJS.ReadableStream) =>
    await runForTest(["-n", address, ...args], { cwd, ...(input ? { input } : {}) });
  const added = ["context", "add", "x", "--ca", "ca", "--certificate", "certificate", "--key", "key"];
  assert.equal((await runForTest(added, { cwd })).exitCode, 0);
  return {
    ...{ asked, address, cwd, petrify },
    reboots: () => void (boot = "later"),
    /** Has to succeed. */
    done: async (...args: string[]): Promise<string> => {
      const { exitCode, out, err } = await petrify(args);
      assert.equal(exitCode, 0, `${args.join(" ")}: ${out}${err}`);
      return out;
    },
    /** Has to fail. @returns the code */
    fails: async (...args: string[]): Promise<string> => {
      const { exitCode, out } = await petrify([...args, "--json"]);
      assert.notEqual(exitCode, 0, args.join(" "));
      return (JSON.parse(out.trim().split("\n").at(-1)!) as { code: string }).code;
    },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}
const now = { id: "ab", kind: "upgrade", at: "writing", text: "writing slot b", percent: 10 };
const ended = { id: "ab", outcome: "succeeded" };

suite("petrify -n upgrade", () => {
  test("follows an upgrade over the restart, to what the machine says of it afterwards", async () => {
    let looks = 0;
    await using at = await desk({
      "POST /upgrade": () => [{ now }, { restarting: "upgrade to edge 2.0" }],
      "GET /history": () =>
        ++looks === 1 ? [{ now: { ...now, at: "trial", text: "on trial" }, operations: [] }] : [{ operations: [ended] }],
      "GET /operation": () => [{ now: { ...now, text: "on trial" } }, { restarting: "not healthy" }],
    });
    const out = await at.done("upgrade", "registry.example/edge:2.0", "--older", "--json");
    const { value } = JSON.parse(out.trim().split("\n").at(-1)!) as { value: { nodes: { value: object }[] } };
    assert.deepEqual(value.nodes[0]!.value, { outcome: "succeeded", changed: true });
    const source = { is: "registry", reference: "registry.example/edge:2.0" };
    const wish = { source, recovery: false, restart: true, force: false, told: ["older"] };
    assert.deepEqual(at.asked[0], ["POST /upgrade", `alice admin ${HOST}`, wish]);
    assert.equal(looks, 2);
    assert.match(out, /"text":"on trial"/);
  });

  test("tells a machine that went back from one that did not, by the exit code", async () => {
    await using at = await desk({
      "POST /upgrade": () => [{ now }, { ended: { ...ended, outcome: "fell back", reason: "web: connection refused" } }],
    });
    assert.equal(await at.fails("upgrade", "/x.img"), "OPERATION_FAILED");
    const { out, err } = await at.petrify(["upgrade", "/x.img"]);
    assert.match(out + err, /fell back: web: connection refused/);
  });

  test("of what runs already is no failure, and changes nothing; another refusal is one, with the machine's own code", async () => {
    let code = "ALREADY_RUNNING";
    await using at = await desk({
      "POST /upgrade": () => {
        throw new AppError(code, "edge 2.0 is what runs in slot a");
      },
    });
    assert.match(await at.done("upgrade", "/x.img", "--json"), /"changed":false/);
    code = "RELEASE_UNSIGNED";
    assert.equal(await at.fails("upgrade", "/x.img"), "RELEASE_UNSIGNED");
    assert.equal(await at.fails("upgrade", "no image"), "REQUEST_INVALID");
    assert.equal(await at.fails("upgrade"), "USAGE");
  });

  test("that is only staged waits for a restart; it can be planned, and cancelled", async () => {
    const image = { name: "edge", version: "2.0", digest: "ab" };
    await using at = await desk({
      "POST /upgrade": () => [{ now: { ...now, text: "waiting for a restart" } }],
      "POST /upgrade/plan": () => [
        { image: { image, trust: "unsigned" }, target: "slot b", capacity: 10, bytes: 5, steps: ["write it"] },
      ],
      "POST /upgrade/cancel": () => [{ ...ended, outcome: "cancelled" }],
    });
    assert.match(await at.done("upgrade", "/x.img", "--stage"), /waits for a restart/);
    assert.match(await at.done("upgrade", "/x.img", "--plan"), /edge 2\.0 +unsigned +slot b[^]*: 1\. write it/);
    assert.match(await at.done("upgrade", "--cancel"), /cancelled/);
  });
});

suite("petrify -n", () => {
  test("a machine that is down before it has answered has restarted once it answers from another boot; without waiting nobody knows", async () => {
    const down = new AppError("AGENT_UNREACHABLE", "the agent is gone");
    await using at = await desk({
      "POST /restart": () => {
        at.reboots();
        throw down;
      },
    });
    assert.match(await at.done("reboot"), /has restarted/);
    assert.equal(await at.fails("reboot", "--no-wait"), down.code);
  });

  test("rollback, reboot and shutdown do what they say; a reboot waits for the machine's next boot", async () => {
    await using at = await desk({
      "POST /rollback": () => [{ now }, { ended }],
      "POST /restart": () => (at.reboots(), [{ restarting: true }]),
      "POST /shutdown": () => [{ stopping: true }],
    });
    assert.match(await at.done("rollback"), /succeeded/);
    assert.match(await at.done("reboot", "--mode", "recovery"), /has restarted/);
    assert.match(await at.done("reboot", "--no-wait"), /restarts/);
    assert.match(await at.done("shutdown"), /is being turned off/);
    assert.deepEqual(
      at.asked.map(([call, , body]) => [call, body]),
      [
        ["POST /rollback", { restart: true }],
        ["POST /restart", { into: "recovery" }],
        ["POST /restart", {}],
        ["POST /shutdown", undefined],
      ],
    );
  });

  test("service starts and stops what is not petrify's own", async () => {
    await using at = await desk({
      "POST /service": () => [{ name: "web.service", active: true, state: "running", changed: true }],
    });
    assert.match(await at.done("service", "restart", "web"), /web\.service +running +yes/);
    assert.deepEqual(at.asked, [["POST /service", `alice admin ${HOST}`, { name: "web", action: "restart" }]]);
  });

  test("updates are shown, planned, looked for, paused and applied; a machine whose config says nothing of them says so", async () => {
    const release = { image: "ab", version: "1.5.0", created: 1_700_000_000, security: true, reference: "x@sha256:00" };
    const status = {
      config: { source: "registry.example/edge", channel: { tag: "stable" }, mode: "apply" },
      state: { chance: 0, lookedAt: 1_700_000_100, release, left: [], took: 90 },
      next: { step: "nothing", because: "window", why: "1.5.0: the next window opens" },
      locks: [{ name: "exam", left: 61.5, reason: "room 7" }],
    };
    const plan = {
      now: 1,
      step: "nothing",
      because: "window",
      why: "x",
      earliest: 7200,
      dates: [{ at: 7200, what: "window", until: 10_800 }],
    };
    await using at = await desk({
      "GET /updates": () => [status],
      "GET /updates/plan": () => [plan],
      "POST /updates/check": () => [status],
      "POST /updates/apply": () => [{ ...status, next: { step: "look", because: "due", why: "y" } }],
      "POST /updates/pause": () => [{ state: { chance: 0, left: [] }, locks: [] }],
      "POST /updates/resume": () => [status],
    });
    const { value } = JSON.parse((await at.done("updates", "status", "--json")).trim().split("\n").at(-1)!) as {
      value: { nodes: { value: object }[] };
    };
    assert.deepEqual(value.nodes[0]!.value, {
      ...{ source: "registry.example/edge", channel: "tag stable", mode: "apply", looked: "2023-11-14T22:15:00Z" },
      release: { ...release, created: "2023-11-14T22:13:20Z" },
      ...{ step: "nothing", because: "window", why: "1.5.0: the next window opens", took: "90s" },
      locks: [{ name: "exam", left: "61.500s", reason: "room 7" }],
    });
    assert.match(await at.done("updates", "check"), /apply +2023-11-14 22:15:00 +1\.5\.0, security +window: 1\.5\.0: the next/);
    assert.match(await at.done("updates", "plan"), /1970-01-01 02:00:00 +restart[^]*1970-01-01 02:00:00 +window, for 60 min/);
    assert.match(await at.done("updates", "now"), /look: y/);
    assert.match(await at.done("updates", "pause", "--for", "12h", "--reason", "fair"), /says nothing of updates/);
    await at.done("updates", "pause");
    await at.done("updates", "resume");
    assert.deepEqual(at.asked.map(([call, , body]) => [call, body]).slice(-3), [
      ["POST /updates/pause", { seconds: 43_200, reason: "fair" }],
      ["POST /updates/pause", {}],
      ["POST /updates/resume", {}],
    ]);
    assert.equal(await at.fails("updates", "pause", "--for", "soon"), "USAGE");
  });

  test("locks are set, listed and released", async () => {
    const locks = [{ name: "exam", left: 7200, reason: "room 7" }];
    await using at = await desk({
      "GET /updates": () => [{ state: { chance: 0, left: [] }, locks: [] }],
      "POST /lock": () => [{ changed: true, locks, problems: [] }],
      "POST /lock/release": () => [{ changed: false, locks: [], problems: [] }],
    });
    assert.match(await at.done("lock", "exam", "--ttl", "2h", "--reason", "room 7"), /exam +2 h +room 7/);
    assert.deepEqual(at.asked.at(-1)![2], { name: "exam", seconds: 7200, reason: "room 7" });
    assert.match(await at.done("lock", "--release", "exam", "--json"), /"changed":false/);
    assert.match(await at.done("lock"), /no lock holds/);
    for (const wrong of [
      ["lock", "exam"],
      ["lock", "--ttl", "1h"],
      ["lock", "exam", "--ttl", "200h"],
    ])
      assert.equal(await at.fails(...wrong), "USAGE", wrong.join(" "));
  });

  test("reset says what goes, and asks for the name of the machine", async () => {
    const plan = { machine: { id: "9b", hostname: "edge-7" }, image: { name: "edge", version: "1", digest: "" }, erase: false };
    await using at = await desk({
      "POST /reset/plan": () => [
        {
          ...plan,
          wipes: [{ what: "data", text: "all of it" }],
          keeps: [],
          steps: ["x"],
          bytes: 1,
          seconds: 90,
          after: "reboot",
        },
      ],
      "POST /reset": () => [{ now: { text: "verifying" } }, { restarting: "a reset was asked for" }],
    });
    assert.match(await at.done("reset", "--dry-run"), /wipes data: all of it/);
    assert.equal(await at.fails("reset"), "CONFIRMATION_MISSING");
    const type = (text: string) => Object.assign(new PassThrough().end(`${text}\n`), { isTTY: true });
    assert.equal((await at.petrify(["reset"], type("edge-8"))).exitCode, 1);
    assert.ok(!at.asked.some(([call]) => call === "POST /reset"));
    assert.equal((await at.petrify(["reset", "--keep", "config"], type(at.address))).exitCode, 0);
    assert.deepEqual(at.asked.at(-1), [
      "POST /reset",
      `alice admin ${HOST}`,
      { keep: ["config"], erase: false, after: "reboot" },
    ]);
  });

  test("config applies documents in a mode, keeps them, goes back, and tells what there was", async () => {
    const change = { kind: "hostname", how: "changed", name: "edge-8" };
    const result = {
      changed: true,
      mode: "try",
      generation: 2,
      plan: { changes: [change], actions: [], reboot: [] },
      problems: ["no zone"],
    };
    const generation = {
      generation: 2,
      readable: true,
      at: 1_700_000_000,
      image: { name: "edge", version: "1" },
      documents: ["a.yaml"],
    };
    await using at = await desk({
      "POST /config/apply": () => [{ ...result, trial: { id: "x", until: 1_700_000_060 } }],
      "POST /config/confirm": () => [{ generation: 2 }],
      "POST /config/rollback": () => [{ ...result, mode: "auto", generation: 1 }],
      "GET /config/history": () => [
        {
          generations: [
            { ...generation, running: true, slots: ["a"] },
            { generation: 1, readable: false, running: false, slots: [] },
          ],
        },
      ],
      "POST /config/diff": () => [{ ...result.plan, from: 1, to: 2 }],
    });
    await writeFile(join(at.cwd, "a.yaml"), "#cloud-config\nhostname: edge-8\n");
    const documents = [{ origin: "a.yaml", text: "#cloud-config\nhostname: edge-8\n" }];
    await at.done("config", "plan", "a.yaml");
    assert.deepEqual(at.asked.at(-1)![2], { documents, mode: "dry-run" });
    const applied = await at.done("config", "apply", "a.yaml", "--mode", "try");
    assert.match(applied, /2 +yes +for a minute[^]*~ host name edge-8[^]*note: no zone/);
    assert.deepEqual(at.asked.at(-1)![2], { documents, mode: "try" });
    assert.match(await at.done("config", "confirm"), /machine config 2 is kept/);
    assert.match(await at.done("config", "rollback", "1"), /1 +yes/);
    assert.deepEqual(at.asked.at(-1)![2], { to: 1, mode: "auto" });
    assert.match(await at.done("config", "history"), /2 +2023-11-14 +edge 1 +a\.yaml +runs, boots\n.* 1 +- +- +unreadable/);
    assert.match(await at.done("config", "diff"), /from 1 to 2[^]*~ host name edge-8/);
  });

  test("audit compares every byte itself", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-control-audit-"));
    const log = auditLog({ files: auditFiles(folder.path), now: () => 1_700_000_000, sha256, alarm: assert.fail });
    await log.append({ is: "begin", call: "POST /shutdown", by: { name: "root", via: "socket" } });
    await using at = await desk({ "GET /audit": () => auditPieces(log) }, "reader");
    assert.match(await at.done("audit", "show"), /root: POST \/shutdown/);
    assert.match(await at.done("audit", "verify"), /Whole: 2 entries/);
    await auditFiles(folder.path).write("audit-1", 300, new Uint8Array([0x78]));
    const { exitCode, out } = await at.petrify(["audit", "verify"]);
    assert.deepEqual([exitCode, /DAMAGED/.test(out)], [1, true], out);
  });

  for (const [role, allowed, refused] of [
    [
      "reader",
      ["updates status", "updates plan", "lock"],
      [
        ...["upgrade /x.img", "rollback", "reboot", "shutdown", "service stop web", "config apply", "reset --yes"],
        ...["updates check", "updates now", "updates pause", "updates resume", "lock x --ttl 1h", "lock --release x"],
      ],
    ],
    ["operator", ["rollback"], ["config apply", "config rollback", "config confirm", "reset --dry-run", "reset --yes"]],
  ] as const) {
    test(`a ${role} does no more than that`, async () => {
      const answers = {
        "POST /rollback": () => [{ now }, { ended }],
        "GET /updates": () => [{ state: { chance: 0, left: [] }, locks: [] }],
        "GET /updates/plan": () => [{ now: 1, step: "look", because: "due", why: "x", dates: [] }],
      };
      await using at = await desk(answers, role);
      for (const words of allowed) await at.done(...words.split(" "));
      const before = at.asked.length;
      for (const words of refused) assert.equal(await at.fails(...words.split(" ")), "NOT_PERMITTED", words);
      assert.equal(at.asked.length, before, "the agent is not asked");
    });
  }
});
