import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { lookRoutes } from "../../agent/look/call.ts";
import { LOOK_CALLS } from "../../agent/look/calls.ts";
import { noCaptures } from "../../agent/look/testing.ts";
import { AppError } from "../../core/error.ts";
import { scriptedRun } from "../../host/run.ts";
import { desk, type Look } from "../../../tests/support/desk.ts";

const OPENED = createHash("sha256").update("x".repeat(300_000)).digest("hex");

/** What petrify-look says whose machine is below a folder. @param spoil changes what is told */
function lookAt(root: () => string, spoil: (value: object, count: number) => object = (value) => value): Look {
  let count = 0;
  return async function* (_method, url, signal, body) {
    const runLines = () => {
      throw new Error("nothing is run");
    };
    const routes = lookRoutes(LOOK_CALLS, {
      ...noCaptures,
      run: scriptedRun({}).run,
      runLines,
      root: root(),
      lsblk: "lsblk",
      now: () => 0,
    });
    const answer = routes[`POST ${url}`]!(signal, body) as AsyncGenerator<object>;
    // As the socket between the two programs does it: what was opened for somebody who is gone is closed.
    signal.addEventListener("abort", () => void answer.return(undefined));
    for await (const value of answer) yield spoil(value, count++);
  };
}

/** A desk, and a machine with a few files. */
async function machine(spoil?: (value: object, count: number) => object) {
  const asked: unknown[] = [];
  let top = "";
  const agent: Look = async function* (method, url, _signal, body, caller) {
    asked.push([`${method} ${url}`, body, caller?.name, caller?.role]);
    yield await Promise.resolve({ noted: true });
  };
  const at = await desk({ "edge-7": lookAt(() => top, spoil) }, agent);
  top = join(at.cwd, "machine");
  await mkdir(join(top, "srv/data/deep"), { recursive: true });
  await writeFile(join(top, "srv/large"), "x".repeat(300_000));
  await chmod(join(top, "srv/large"), 0o640);
  await utimes(join(top, "srv/large"), 1_000_000_000, 1_000_000_000);
  await writeFile(join(top, "srv/data/deep/file"), "deep");
  await writeFile(join(top, "srv/data/host.key"), "no");
  await symlink("/etc/passwd", join(top, "srv/data/link"));
  return { ...at, asked, path: (name: string) => join(at.cwd, name), [Symbol.asyncDispose]: at[Symbol.asyncDispose] };
}
type Result = { readonly value: Readonly<Record<string, unknown>> };
const resultOf = (out: string): Result["value"] => (JSON.parse(out.trim().split("\n").at(-1)!) as Result).value;

suite("petrify -n NODE cp", () => {
  test("copies a file with its permissions and time, and says who has asked for it before its first byte", async () => {
    await using at = await machine();
    const { exitCode, out, err } = await at.petrify(["-n", "edge-7", "cp", "/srv/large", "here", "--json"]);
    assert.equal(exitCode, 0, out + err);
    const { sha256, bytes, to } = resultOf(out);
    assert.deepEqual([sha256, bytes, to], [OPENED, 300_000, at.path("here")]);
    const { mode, mtimeMs } = await stat(at.path("here"));
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o640, 1_000_000_000_000]);
    assert.deepEqual(at.asked, [["POST /copy", { path: "/srv/large" }, "jo", "admin"]]);
  });

  test("copies a folder into one that is there; what is closed is left out, and decides the exit code", async () => {
    await using at = await machine();
    await mkdir(at.path("there"));
    const { exitCode, out } = await at.petrify(["-n", "edge-7", "cp", "/srv/data", "there", "--json"]);
    assert.equal(exitCode, 1);
    const { files, folders, links, leftOut } = resultOf(out);
    assert.deepEqual([files, folders, links], [1, 2, 1]);
    assert.deepEqual(
      (leftOut as { path: string }[]).map(({ path }) => path),
      ["host.key"],
    );
    assert.deepEqual((await readdir(at.path("there/data"))).toSorted(), ["deep", "link"]);
    const again = await at.petrify(["-n", "edge-7", "cp", "/srv/data", "there"]);
    assert.match(again.err, /there\/data is there already/);
    assert.deepEqual(await readdir(at.path("there")), ["data"], "nothing is left of it");
  });

  test("goes on where it was when the connection was lost; each call is told to the audit log", async () => {
    await using at = await machine((value, count) => {
      if (count === 3) throw new AppError("AGENT_UNREACHABLE", "it restarts");
      return value;
    });
    const { exitCode, out } = await at.petrify(["-n", "edge-7", "cp", "/srv/large", "here", "--json"]);
    assert.equal(exitCode, 0, out);
    assert.deepEqual([resultOf(out)["sha256"], resultOf(out)["bytes"]], [OPENED, 300_000], "no byte came twice");
    assert.equal(at.asked.length, 2);
  });

  test("believes a machine neither its names nor its bytes", async () => {
    const spoils: readonly ((value: object, count: number) => object)[] = [
      (value) => ("entry" in value ? { entry: { ...(value.entry as object), path: "../../out" } } : value),
      (value) => ("data" in value ? { data: Buffer.from("y").toString("base64") } : value),
      (value) => ("end" in value ? {} : value),
      (value, count) => (count === 0 ? {} : value),
    ];
    for (const spoil of spoils) {
      await using at = await machine(spoil);
      const { exitCode, err } = await at.petrify(["-n", "edge-7", "cp", "/srv/large", "here"]);
      assert.equal(exitCode, 1);
      assert.match(err, /edge-7 has sent what is no copy/);
      const left = (await readdir(at.cwd)).filter((name) => name.includes("here") || name.includes("out"));
      assert.deepEqual(left, []);
    }
  });

  test("copies nothing where the machine cannot note who it was", async () => {
    await using at = await machine();
    await using other = await desk({ "edge-7": lookAt(() => at.path("machine")) }, async function* () {
      yield* await Promise.reject<object[]>(new AppError("REQUEST_INVALID", "not now"));
    });
    const { exitCode, err } = await other.petrify(["-n", "edge-7", "cp", "/srv/large", "here"]);
    assert.equal(exitCode, 1);
    assert.match(err, /not now/);
    assert.ok(!(await readdir(other.cwd)).includes("here"));
  });

  test("takes one machine, and says what cannot be copied, or where to", async () => {
    await using at = await machine();
    const failure = async (...args: string[]): Promise<string> => (await at.petrify(args)).err;
    assert.match(await failure("--all", "cp", "/srv/large", "x"), /one machine at a time/);
    assert.match(await failure("-n", "edge-7", "cp", "/srv/none", "x"), /there is no /);
    assert.match(await failure("-n", "edge-7", "cp", "srv", "x"), /absolute path/);
    assert.match(await failure("-n", "edge-7", "cp", "/srv/large", "none/below"), /none\/below cannot be written: ENOENT/);
    assert.match(await failure("-n", "edge-7", "cp", "/srv/data", "-"), /is a folder/);
    await rm(at.path("machine/srv/large"));
    assert.match(await failure("-n", "edge-7", "cp", "/srv/large", "x"), /there is no /);
  });
});
