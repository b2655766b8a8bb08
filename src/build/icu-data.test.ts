import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { withoutLanguages } from "./icu-data.ts";

/** What the agent and its libraries may ask of ICU, and what they had better not miss. */
const ASKS = `
const same = (got, wanted) => { if (got !== wanted) throw new Error(got + " instead of " + wanted); };
same(new Date(0).toLocaleString("en-US", { timeZone: "Europe/Berlin" }), "1/1/1970, 1:00:00 AM");
same(new Intl.NumberFormat("fr").format(1234567.5), "1,234,567.5"); // as in English
same(["ä", "z", "a"].sort((a, b) => a.localeCompare(b)).join(), "a,ä,z");
same("Å".normalize("NFD").length, 2);
same(/^\\p{L}$/u.test("ß"), true);
same("ǅ".toLowerCase(), "ǆ");
same(new URL("http://bücher.example").host, "xn--bcher-kva.example");
same(new TextDecoder("utf-16le").decode(new Uint8Array([97, 0])), "a");
same([...new Intl.Segmenter("en", { granularity: "word" }).segment("a b")].length, 3);
try { new TextDecoder("gbk"); } catch (error) { same(error instanceof RangeError, true); }
`;

test("Node without other languages runs, and does in English what it did", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-icu-"));
  const node = join(folder.path, "node");
  const before = await readFile(process.execPath);
  const after = withoutLanguages(before);
  assert.equal(after.length, before.length);
  assert.ok(gzipSync(before, { level: 1 }).length - gzipSync(after, { level: 1 }).length > 5e6, "5 MB less when compressed");
  await writeFile(node, after, { mode: 0o755 });
  const { status, stderr } = spawnSync(node, ["-e", ASKS], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  const { stdout } = spawnSync(node, ["-p", "new Date(0).toLocaleDateString()"], {
    encoding: "utf8",
    env: { LANG: "de_DE.UTF-8" },
  });
  assert.match(stdout, /1970/);
});

test("a program without that data is refused: its size would not be what is said", () => {
  assert.throws(() => withoutLanguages(new Uint8Array(4096)), { code: "ICU_DATA_MISSING" });
  assert.throws(() => withoutLanguages(Buffer.from(`${"\0".repeat(12)}CmnD${"\0".repeat(64)}`)), { code: "ICU_DATA_MISSING" });
});
