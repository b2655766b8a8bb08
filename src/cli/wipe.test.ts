import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import type { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { loopDevice, LOOPS } from "../host/fake-disk.ts";
import { run } from "../host/run.ts";
import { humanOutput } from "./output.ts";
import { runForTest, type Ran } from "./testing.ts";
import { wipeOwn } from "./node-wipe.ts";

const SIZE = 24 * MiB;
/** In the middle of it: nothing that says what is where. */
const MIDDLE = 12 * MiB;

/** A folder with `target`, which is full of letters and says that it is swap. */
async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-wipe-"));
  const target = join(folder.path, "target");
  {
    await using file = await open(target, "w");
    for (let at = 0; at < SIZE; at += MiB) await file.write(new Uint8Array(MiB).fill(0x55));
  }
  await run(["mkswap", "--quiet", "--label", "photos", target]);
  return { ...folder, folder: folder.path, target, before: await readFile(target) };
}
const isBlank = async (path: string): Promise<boolean> => (await readFile(path)).every((byte) => byte === 0);
const result = ({ out }: Ran): Record<string, unknown> =>
  (JSON.parse(out.trim().split("\n").at(-1)!) as { value: Record<string, unknown> }).value;

test("every byte becomes zero, and is read back", async () => {
  await using at = await desk();
  const ran = await runForTest(["wipe", "target", "--yes"], { cwd: at.folder });
  assert.deepEqual([ran.exitCode, await isBlank(at.target)], [0, true], ran.err);
  assert.match(ran.out, /target is blank: every byte of 24 MiB is zero, read back in [\d.]+ s\.$/m);
  assert.equal((await readFile(at.target)).length, SIZE);
});

test("quickly: both ends become zero, what is between them need not, and nothing is found there", async () => {
  await using at = await desk();
  const ran = await runForTest(["wipe", "target", "--yes", "--erase", "quick", "--json"], { cwd: at.folder });
  const { changed, discarded, zeroed } = result(ran);
  assert.deepEqual([ran.exitCode, changed, discarded, zeroed], [0, true, false, 8 * MiB]);
  const after = await readFile(at.target);
  assert.ok(after.subarray(0, 4 * MiB).every((byte) => byte === 0) && after.subarray(SIZE - 4 * MiB).every((byte) => byte === 0));
  assert.equal(after[MIDDLE], 0x55);
  assert.equal((await run(["wipefs", at.target])).stdout, "");
});

test("--dry-run says what would be lost, and changes nothing", async () => {
  await using at = await desk();
  const ran = await runForTest(["wipe", "target", "--dry-run"], { cwd: at.folder });
  assert.match(ran.out, /^would wipe .*target \(a file, 24 MiB\) \(full\)\n {2}lost: swap "photos"\n$/);
  assert.equal(Buffer.compare(await readFile(at.target), at.before), 0);
});

for (const [typed, args, exitCode, err] of [
  ["target\n", [], 0, /This wipes .*target \(a file, 24 MiB\) \(full\)\.\n {2}Lost: swap "photos"\nType target to go on: /],
  ["yes\n", [], 1, /error: nothing was done\nhint: .*--yes/],
  [undefined, [], 1, /what is on .*target would be lost, and there is nobody to ask/],
  ["target\n", ["--json"], 1, /^$/],
] as const) {
  test(`asked ${typed === undefined ? "nobody" : `and answered ${JSON.stringify(typed)}`} ${args.join()}: ${exitCode}`, async () => {
    await using at = await desk();
    const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
    input.end(typed ?? "");
    const ran = await runForTest(["wipe", "target", ...args], { cwd: at.folder, input });
    assert.equal(ran.exitCode, exitCode, ran.err);
    assert.match(ran.err, err);
    assert.equal(await isBlank(at.target), exitCode === 0);
  });
}

test("Ctrl-C in the middle: nothing boots, it is said, and the same command makes it blank", async () => {
  await using at = await desk();
  const stop = new AbortController();
  const ran = await runForTest(["wipe", "target", "--yes", "--json"], {
    cwd: at.folder,
    signal: stop.signal,
    onOut: (text) => text.includes('"phase":"reading back"') && stop.abort(new Error("stopped")),
  });
  assert.match(ran.out, /"type":"unfinished","path":".*target"/);
  assert.notEqual(
    (await readFile(at.target)).subarray(0, 4096).toString("latin1"),
    at.before.subarray(0, 4096).toString("latin1"),
  );
  assert.equal((await runForTest(["wipe", "target", "--yes"], { cwd: at.folder })).exitCode, 0);
  assert.ok(await isBlank(at.target));
});

test("a device is wiped at the ends of its partitions, too; in use it is refused", { skip: LOOPS }, async () => {
  await using at = await desk();
  await using loop = await loopDevice(at.target);
  const shown = await runForTest(["wipe", "target", "--yes"], { cwd: at.folder });
  assert.deepEqual([shown.exitCode, Buffer.compare(await readFile(at.target), at.before)], [1, 0]);
  assert.match(shown.err, /is in use: \/dev\/loop\d+ shows it/);
  const ran = await runForTest(["wipe", loop.path, "--yes", "--erase", "quick", "--json"], { cwd: at.folder });
  assert.equal(ran.exitCode, 0, ran.out);
  // A loop device gives the blocks back, which makes holes of them.
  assert.deepEqual([result(ran)["discarded"], await isBlank(at.target)], [true, true]);
  const full = await runForTest(["wipe", loop.path, "--yes"], { cwd: at.folder });
  assert.equal(full.exitCode, 0, full.err);
});

/** @param typed what a terminal answers */
async function own(
  options: { readonly erase: "full" | "quick"; readonly yes?: boolean; readonly dryRun?: boolean },
  typed?: string,
) {
  await using at = await desk();
  let [out, err, error]: [string, string, unknown] = ["", "", undefined];
  const asked: string[] = [];
  const sinks = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), columns: () => 0 };
  const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
  input.end(typed);
  const context = {
    ...{ run, cwd: "/", json: false, sinks, output: humanOutput(sinks), clock: () => 0, signal: new AbortController().signal },
    ...{ input: input as unknown as NodeJS.ReadStream, step: async () => assert.fail("it is not wiped here") },
  };
  try {
    await wipeOwn(context, at.target, options, async function* (_method, path) {
      await Promise.resolve();
      asked.push(path);
      yield { now: { text: "verifying recovery" } };
      yield { restarting: "a wipe was asked for" };
    });
  } catch (caught) {
    error = (caught as AppError).code;
  }
  assert.equal(Buffer.compare(await readFile(at.target), at.before), 0);
  return { out, err, asked, error };
}

suite("the disk that a machine runs from", () => {
  test("is wiped by recovery, once its name was typed", async () => {
    const done = await own({ erase: "full" }, "target\n");
    assert.deepEqual([done.error, done.asked], [undefined, ["/wipe"]]);
    assert.match(
      done.err,
      /Nothing is left of this machine: recovery does it, and powers it off\.\n  Lost: swap "photos"\nType target to go on: /,
    );
    assert.match(
      done.out,
      /^The machine restarts into recovery, which makes every byte of .*target zero and powers the machine off\.$/m,
    );
  });

  test("is not wiped quickly, nor without an answer, nor by --dry-run", async () => {
    assert.deepEqual(await own({ erase: "quick", yes: true }), { out: "", err: "", asked: [], error: "WIPE_NOT_POSSIBLE" });
    for (const typed of ["yes\n", undefined]) {
      const { asked, error } = await own({ erase: "full" }, typed);
      assert.deepEqual([asked, error], [[], "CONFIRMATION_MISSING"]);
    }
    const dry = await own({ erase: "full", dryRun: true });
    assert.deepEqual([dry.asked, dry.error], [[], undefined]);
    assert.match(
      dry.out,
      /^would wipe .*target .*, which this machine runs from: recovery does it, and powers the machine off$/m,
    );
  });
});
