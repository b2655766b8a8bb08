import assert from "node:assert/strict";
import { mkdtempDisposable, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { debugProbe, probeArchive, probeImage, topLayerOf } from "../../../tests/support/debug-probe.ts";
import { digestOf, putImage, testRegistry, type Fault, type RegistryOptions } from "../../../tests/support/registry.ts";
import { testContext } from "../../../tests/support/store-contract.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { earlyProgram } from "../../build/early-program.ts";
import { handover } from "../../core/handover.ts";
import { attachedProgram } from "../../host/attached-program.ts";
import { makePrivateFolder, removeFolder, writeText } from "../../host/files.ts";
import { run } from "../../host/run.ts";
import { DebugRequestSchema, DebugRight, type DebugRequest } from "../../protocol/petrify/v1/debug_pb.ts";
import { openStore } from "../../registry/open-store.ts";
import type { RegistryReference } from "../../registry/reference.ts";
import { debugCalls, type DebugNews, type DebugPorts } from "./session.ts";

const tools = await testTools();
const work = await mkdtempDisposable(join(tmpdir(), "petrify-debug-test-"));
after(async () => await work.remove());
const early = await earlyProgram(tools, work.path);
const probe = await debugProbe(tools, join(work.path, "probe"));
const archive = probeArchive(probe);
const probed = probeImage(probe);
const canContain = await run(["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "x", "/mnt"]).then(
  () => true,
  () => false,
);
const skip = canContain ? false : "mounts and processes of one's own take root";
const never = new AbortController().signal;
type Part = { readonly case: Exclude<DebugRequest["part"]["case"], undefined>; readonly value: object };
/** Also what was left out. */
type Start = {
  readonly command?: readonly string[];
  readonly rights?: readonly DebugRight[];
  readonly terminal?: object;
  readonly duration?: object;
};

/** Containers as a machine makes them, without the service manager's part. */
async function machine(change: Partial<DebugPorts> = {}, times = { aliveMs: 10_000, lostMs: 60_000, prepareMs: 60_000 }) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-debug-"));
  const logs: unknown[] = [];
  let count = 0;
  const ports: DebugPorts = {
    folder: async () => {
      const path = join(folder.path, String(count++));
      await makePrivateFolder(path);
      return { path, [Symbol.asyncDispose]: async () => await removeFolder(path) };
    },
    registry: async () => await Promise.reject(new Error("no registry")),
    log: async (about, caller) => {
      logs.push({ about, caller });
      return await Promise.resolve({ [Symbol.asyncDispose]: async () => await Promise.resolve(void logs.push("end")) });
    },
    start: async ({ plan, size }) =>
      await attachedProgram(async (terminal) => {
        const file = join(plan.root, "../plan.json");
        await writeText(file, JSON.stringify({ ...plan, ...(terminal === undefined ? {} : { terminal }) }));
        // As systemd does, which makes it the terminal of what it starts.
        return terminal === undefined ? [early, "contain", file] : ["setsid", "--ctty", "--wait", early, "contain", file];
      }, size),
    ...change,
  };
  const calls = debugCalls(ports, times);
  const open = (start: Start, { bytes = archive, reference = "", signal = never, parts = [] as readonly Part[] } = {}) => {
    const { give, end, taken } = handover<Part>();
    const heard = async function* () {
      const message = (part: object): DebugRequest => create(DebugRequestSchema, { part } as never);
      const image = reference === "" ? { case: "archive", value: {} } : { case: "reference", value: reference };
      yield message({ case: "start", value: { ...start, image } });
      if (reference === "") {
        for (let at = 0; at < bytes.length; at += 65_536)
          yield message({ case: "archive", value: bytes.subarray(at, at + 65_536) });
        yield message({ case: "archiveEnd", value: {} });
      }
      for (const part of parts) yield message(part);
      for await (const part of taken()) yield message(part);
    };
    return { say: give, hangUp: end, news: calls(heard(), signal, "alice") };
  };
  const ran = async (start: Start, options: Parameters<typeof open>[1] = {}) =>
    textOf(await Array.fromAsync(open(start, options).news));
  return {
    ...{ open, ran, logs, calls },
    left: async () => await readdir(folder.path),
    /** Until no process of a container is there any more. */
    ended: async () => {
      while ((await run(["pgrep", "--full", `contain ${folder.path}`], { okExit: [0, 1] })).stdout !== "") await wait(50);
    },
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}
function textOf(news: readonly DebugNews[]) {
  const of = (which: "output" | "errors"): string =>
    Buffer.concat(news.flatMap((one) => (one.case === which ? [one.value] : []))).toString();
  const ended = news.find((one) => one.case === "ended")?.value;
  return { output: of("output"), errors: of("errors"), exitCode: ended?.exitCode, reason: ended?.reason };
}
const lines = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(text.split(/\r?\n/).map((line) => [line.split(" ")[0]!, line.slice(line.indexOf(" ") + 1)]));

/** A machine that reaches a registry with the image. */
async function withRegistry(fault?: RegistryOptions["fault"]) {
  await using scope = new AsyncDisposableStack();
  const registry = scope.use(await testRegistry({ ...(fault ? { fault } : {}) }));
  const team = registry.repository("team/probe");
  putImage(team, probed, "1");
  team.manifests.set(OTHER, team.manifests.get(probed.descriptor.digest)!);
  const context = scope.use(testContext());
  const store = async (reference: RegistryReference) =>
    await Promise.resolve({ store: openStore(reference, context), [Symbol.dispose]: () => {} });
  const at = scope.use(await machine({ registry: store }));
  const kept = scope.move();
  const repository = `http://${registry.host}/team/probe`;
  return { ...at, repository, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}
const OTHER = digestOf("another manifest");
const isLayer = (url: string): boolean => url.endsWith(topLayerOf(probed));
const otherBytes: Fault = { change: ({ length }) => Buffer.alloc(length) };
const REFUSED: readonly {
  readonly what: string;
  readonly name?: string;
  readonly fault?: RegistryOptions["fault"];
  readonly code: string;
  readonly hint: RegExp;
}[] = [
  {
    what: "one whose layer has other bytes there",
    fault: ({ url }) => (isLayer(url) ? otherBytes : undefined),
    ...{ code: "REGISTRY_INVALID", hint: /^Nothing of it was used\./ },
  },
  { what: "what is there under another digest", name: `@${OTHER}`, code: "REGISTRY_INVALID", hint: /^Nothing of it was used\./ },
  { what: "one that is not there", name: ":2", code: "REGISTRY_NOT_FOUND", hint: /./ },
  {
    what: "one of a registry that is away",
    fault: () => ({ cutAfter: 0 }),
    ...{ code: "REGISTRY_UNREACHABLE", hint: /^Check the network/ },
  },
];

suite("a debug container", { skip }, () => {
  test("starts what its image says, and what the caller says instead; its exit code is told, and nothing is left", async () => {
    await using at = await machine();
    assert.equal((await at.ran({})).exitCode, 7);
    assert.deepEqual(await at.ran({ command: ["probe", "env:WORD", "errors:wrong", "exit:3"] }), {
      ...{ output: "env:WORD said\n", errors: "wrong\n", exitCode: 3, reason: "" },
    });
    assert.equal((await at.ran({ command: ["/bin/probe", "kill:9", "number"] })).exitCode, 128 + 9, "it is not process 1");
    const missing = await at.ran({ command: ["nothing"] });
    assert.deepEqual([missing.exitCode, missing.errors], [127, "petrify: nothing is not in the image\n"]);
    assert.equal((await at.ran({ command: ["/kept"] })).exitCode, 126);
    assert.deepEqual(await at.left(), []);
  });

  test("has nothing of the machine unless it is given it", async () => {
    await using at = await machine();
    const words = [
      "probe",
      "number",
      "processes",
      "bounding",
      "names:/",
      "names:/dev",
      "write:/new",
      "write:/proc/sys/kernel/hostname",
      "mount",
      "read:/kept",
    ];
    const { output } = await at.ran({ command: words });
    const found = lines(output);
    assert.deepEqual([found["number"], found["processes"]], ["2", "2"]);
    assert.deepEqual(found["names:/"]!.split(" ").toSorted(), ["bin", "dev", "kept", "proc", "sys", "tmp"]);
    assert.deepEqual(found["names:/dev"]!.split(" ").toSorted(), [
      "fd",
      "full",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
    ]);
    assert.deepEqual([found["write:/new"], found["read:/kept"]], ["done", "kept"]);
    assert.equal(found["write:/proc/sys/kernel/hostname"], "Read-only file system");
    assert.equal(found["mount"], "Operation not permitted");
    assert.equal(found["bounding"], "CapBnd:\t00000000000005fb");
  });

  test("has what its rights say", async () => {
    await using at = await machine();
    const seen = lines((await at.ran({ rights: [DebugRight.PROCESSES], command: ["probe", "processes", "bounding"] })).output);
    assert.ok(Number(seen["processes"]) > 3);
    assert.equal(seen["bounding"], "CapBnd:\t00000000000805fb");
    const path = `/host${work.path}/written`;
    const files = lines(
      (
        await at.ran({
          rights: [DebugRight.FILES],
          command: ["probe", `read:/host/etc/passwd`, `write:${path}`, "names:/host/run", "names:/host/proc"],
        })
      ).output,
    );
    assert.match(files["read:/host/etc/passwd"]!, /^root:/);
    assert.equal(files[`write:${path}`], "Read-only file system");
    for (const hidden of ["names:/host/run", "names:/host/proc"]) assert.equal(files[hidden], hidden, "there is nothing");
    assert.equal(
      lines((await at.ran({ rights: [DebugRight.WRITE], command: ["probe", `write:${path}`] })).output)[`write:${path}`],
      "done",
    );
    const all = lines((await at.ran({ rights: [DebugRight.ALL], command: ["probe", "mount", "names:/dev"] })).output);
    assert.equal(all["mount"], "done");
  });

  test("is in the audit log with what it may and what it runs, as long as it is there, without what looks like a secret", async () => {
    await using at = await machine();
    await at.ran({ rights: [DebugRight.NETWORK], command: ["probe", "--password", "hunter2", "exit:0"] });
    const [{ about, caller }, end] = at.logs as [{ about: Record<string, unknown>; caller: string }, unknown];
    assert.deepEqual([caller, end, at.logs.length], ["alice", "end", 2]);
    assert.deepEqual(
      [about["image"], about["rights"], about["command"]],
      ["an archive", ["network"], "probe --password [removed] exit:0"],
    );
    assert.match(String(about["digest"]), /^sha256:[0-9a-f]{64}$/);
  });

  test("passes on what its program reads and writes, more than fits in any buffer", async () => {
    await using at = await machine();
    const bytes = Buffer.alloc(3_000_000, "0123456789abcdef");
    const { say, news } = at.open({ command: ["probe", "cat"] });
    const parts: Uint8Array[] = [];
    for await (const one of news) {
      if (one.case === "output") parts.push(one.value);
      if (one.case !== "started") continue;
      void (async () => {
        for (let from = 0; from < bytes.length; from += 50_000)
          await say({ case: "input", value: bytes.subarray(from, from + 50_000) });
        await say({ case: "inputEnd", value: {} });
      })();
    }
    assert.ok(Buffer.concat(parts).equals(bytes));
  });

  test("reads to the end where its caller has nothing to say any more, who hears the rest", async () => {
    await using at = await machine();
    const { say, hangUp, news } = at.open({ command: ["probe", "cat", "exit:5"] });
    const found: DebugNews[] = [];
    for await (const one of news) {
      found.push(one);
      if (one.case === "started") void say({ case: "input", value: Buffer.from("said") }).then(() => hangUp());
    }
    assert.deepEqual([textOf(found).output, textOf(found).exitCode], ["said", 5]);
  });

  test("has a terminal of its own where the caller has one: its size, its keys", async () => {
    await using at = await machine();
    const terminal = { kind: "xterm", window: { columns: 100, rows: 40 } };
    const { say, news } = at.open({ terminal, command: ["probe", "terminal", "env:TERM", "line", "terminal", "wait"] });
    let output = "";
    let exitCode: number | undefined;
    for await (const one of news) {
      if (one.case === "output") output += Buffer.from(one.value).toString();
      if (one.case === "ended") ({ exitCode } = one.value);
      if (output.includes("env:TERM xterm") && !output.includes("hello")) {
        await say({ case: "window", value: { columns: 132, rows: 50 } });
        await say({ case: "input", value: Buffer.from("hello\r") });
      }
      if (output.endsWith("waits\r\n")) await say({ case: "input", value: Buffer.from([3]) });
    }
    assert.match(output, /^terminal \/dev\/console 100x40 its own\r\n/);
    assert.match(output, /terminal \/dev\/console 132x50 its own\r\n/);
    assert.equal(exitCode, 128 + 2, "Ctrl-C has ended it");
  });

  test("is gone when its caller is", async () => {
    await using at = await machine();
    const stop = new AbortController();
    const { news } = at.open({ command: ["probe", "wait"] }, { signal: stop.signal });
    await assert.rejects(async () => {
      for await (const one of news) if (one.case === "output") stop.abort();
    });
    assert.deepEqual(await at.left(), []);
    await at.ended();
  });

  test("is gone when nothing is heard of its caller, and else when its time is over; the caller hears of the machine meanwhile", async () => {
    await using at = await machine({}, { aliveMs: 100, lostMs: 1000, prepareMs: 60_000 });
    await assert.rejects(at.ran({ command: ["probe", "wait"] }), { code: "DEBUG_LOST" });
    assert.deepEqual(await at.left(), []);
    const { say, news } = at.open({ command: ["probe", "wait"], duration: { seconds: 2n } });
    const found: DebugNews[] = [];
    for await (const one of news) {
      found.push(one);
      void say({ case: "alive", value: {} });
    }
    assert.deepEqual([textOf(found).exitCode, textOf(found).reason], [124, "its time was over"]);
    assert.ok(found.some((one) => one.case === "alive"));
    assert.deepEqual(await at.left(), []);
  });

  test("is not made of other bytes than the digests say, nor of what leads out of it", async () => {
    await using at = await machine();
    const wrong = Buffer.from(archive);
    wrong[wrong.indexOf("\x1f\x8b", 0, "latin1") + 200]! ^= 1;
    await assert.rejects(at.ran({}, { bytes: wrong }), { code: "REGISTRY_INVALID" });
    assert.deepEqual(at.logs.length % 2, 0);
    await assert.rejects(at.ran({}, { bytes: archive.subarray(0, 5000) }), { code: "REGISTRY_INVALID" });
    assert.deepEqual(await at.left(), []);
  });

  test("is made of an image in a registry, by its tag and by its digest", async () => {
    await using at = await withRegistry();
    for (const name of [":1", `@${probed.descriptor.digest}`]) {
      const said = await at.ran({ command: ["probe", "read:/kept", "exit:3"] }, { reference: `${at.repository}${name}` });
      assert.deepEqual([said.output, said.exitCode], ["read:/kept kept\n", 3]);
    }
    const [{ about }] = at.logs as [{ about: Record<string, unknown> }];
    assert.deepEqual([about["image"], about["digest"]], [`${at.repository}:1`, probed.descriptor.digest]);
    assert.deepEqual(await at.left(), []);
  });

  for (const { what, name = ":1", fault, ...refusal } of REFUSED)
    test(`is not made of ${what}`, async () => {
      await using at = await withRegistry(fault);
      await assert.rejects(at.ran({}, { reference: `${at.repository}${name}` }), refusal);
      assert.deepEqual([at.logs.length % 2, await at.left()], [0, []]);
    });

  test("has failed where it has not ended by itself: whatever its program has written counts for nothing", async () => {
    const killed = async () =>
      await attachedProgram(async () => await Promise.resolve(["sh", "-c", "echo 0; kill -9 $$"]), undefined);
    await using at = await machine({ start: killed });
    await assert.rejects(at.ran({}), { code: "DEBUG_FAILED" });
    assert.deepEqual([at.logs.length, await at.left()], [2, []]);
  });

  test("is one of two at most", async () => {
    await using at = await machine();
    const stop = new AbortController();
    const waiting = [0, 1].map(() => at.open({ command: ["probe", "wait"] }, { signal: stop.signal }).news);
    for (const news of waiting) await news.next();
    await assert.rejects(at.ran({}), { code: "DEBUG_BUSY" });
    stop.abort();
    for (const news of waiting) await assert.rejects(Array.fromAsync(news));
    assert.equal((await at.ran({})).exitCode, 7);
  });
});
