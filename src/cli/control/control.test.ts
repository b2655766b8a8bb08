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
    const applied = await at.done("config", "apply", "a.yaml", "--mode", "try");
    assert.match(applied, /2 +yes +for a minute[^]*~ host name edge-8[^]*note: no zone/);
    assert.deepEqual(at.asked.at(-1)![2], {
      documents: [{ origin: "a.yaml", text: "#cloud-config\nhostname: edge-8\n" }],
      mode: "try",
    });
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
    ["reader", [], ["upgrade /x.img", "rollback", "reboot", "shutdown", "service stop web", "config apply", "reset --yes"]],
    ["operator", ["rollback"], ["config apply", "config rollback", "config confirm", "reset --dry-run", "reset --yes"]],
  ] as const) {
    test(`a ${role} does no more than that`, async () => {
      await using at = await desk({ "POST /rollback": () => [{ now }, { ended }] }, role);
      for (const words of allowed) await at.done(...words.split(" "));
      const before = at.asked.length;
      for (const words of refused) assert.equal(await at.fails(...words.split(" ")), "NOT_PERMITTED", words);
      assert.equal(at.asked.length, before, "the agent is not asked");
    });
  }
});
