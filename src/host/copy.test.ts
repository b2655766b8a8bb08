import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import { copyIn, NoCopy, type CopyIn, type ReceivedEntry } from "./copy-in.ts";
import { comparePaths, copyOut, type CopyNews, type CopyPlace } from "./copy-out.ts";
import type { AllowFile } from "./look-files.ts";

const { signal } = new AbortController();
const all: AllowFile = () => {};
const noSecrets: AllowFile = (path) => {
  if (path.includes("secret")) throw new AppError("PATH_REFUSED", `${path} is closed`);
};
const sha256 = (bytes: string | Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const work = async () => await mkdtempDisposable(join(tmpdir(), "petrify-copy-"));

async function tree(folder: string): Promise<string> {
  const top = join(folder, "tree");
  await mkdir(join(top, "a/b"), { recursive: true });
  await mkdir(join(top, "a-b"));
  await writeFile(join(top, "a/b/large"), Buffer.alloc(200_000, "x"));
  await writeFile(join(top, "a/empty"), "");
  await writeFile(join(top, "a-b/script"), "#!/bin/sh\n");
  await writeFile(join(top, "secret"), "no");
  await chmod(join(top, "a-b/script"), 0o4755);
  await symlink("/etc/passwd", join(top, "outwards"));
  await utimes(join(top, "a-b/script"), 1_000_000_000, 1_000_000_000.25);
  await chmod(join(top, "a/b"), 0o555);
  await utimes(join(top, "a"), 1_000_000_001, 1_000_000_001);
  return top;
}
/** One line for each, and bytes as their number. */
const told = (news: readonly CopyNews[]): string[] =>
  news.map((one) => {
    if ("entry" in one) return `${one.entry.kind} ${one.entry.path}${one.entry.offset > 0 ? ` from ${one.entry.offset}` : ""}`;
    if ("data" in one) return String(one.data.length);
    return "end" in one ? "end" : `left out: ${one.leftOut.path}`;
  });
const out = async (path: string, place: CopyPlace = {}, allow = all): Promise<CopyNews[]> =>
  await Array.fromAsync(copyOut(path, place, allow, signal));

async function receive(into: CopyIn, news: AsyncIterable<CopyNews> | readonly CopyNews[]): Promise<void> {
  for await (const one of news) {
    if ("entry" in one) await into.entry(one.entry);
    else if ("data" in one) await into.data(one.data);
    else if ("end" in one) await into.end(one.end.sha256);
  }
}

suite("what is copied out", () => {
  test("is told in one order: a folder before what is in it; links are not followed, and what is closed is left out", async () => {
    await using folder = await work();
    const top = await tree(folder.path);
    assert.deepEqual(told(await out(top, {}, noSecrets)), [
      ...["folder ", "folder a", "folder a/b", "file a/b/large", "65536", "65536", "65536", "3392", "end", "file a/empty", "end"],
      ...["folder a-b", "file a-b/script", "10", "end", "link outwards", "left out: secret"],
    ]);
    assert.deepEqual(["a-b", "a/b", "a", "a/b/c", "b"].toSorted(comparePaths), ["a", "a/b", "a/b/c", "a-b", "b"]);
  });

  test("goes on behind what was copied as a whole, and within a file that is still the same", async () => {
    await using folder = await work();
    const top = await tree(folder.path);
    const rest = ["file a/empty", "end", "folder a-b", "file a-b/script", "10", "end", "link outwards"];
    assert.deepEqual(told(await out(top, { after: "a/b/large" }, noSecrets)), [...rest, "left out: secret"]);
    const version = (await out(top)).flatMap((one) =>
      "entry" in one && one.entry.path === "a/b/large" ? [one.entry.version] : [],
    )[0]!;
    const part = { path: "a/b/large", offset: 150_000, version };
    const news = await out(top, { after: "a/b", part });
    assert.deepEqual(told(news).slice(0, 3), ["file a/b/large from 150000", "50000", "end"]);
    assert.deepEqual(Buffer.from((news[2] as { end: { sha256: Uint8Array } }).end.sha256), sha256(Buffer.alloc(200_000, "x")));
    await chmod(join(top, "a/b"), 0o755);
    await writeFile(join(top, "a/b/large"), Buffer.alloc(200_000, "y"));
    assert.deepEqual(told(await out(top, { after: "a/b", part })).slice(0, 2), ["file a/b/large", "65536"]);
  });

  test("begins anew where a file is changed meanwhile; what is only added to is what it was", async () => {
    await using folder = await work();
    const path = join(folder.path, "file");
    const changed = async (change: () => Promise<void>): Promise<CopyNews[]> => {
      await writeFile(path, Buffer.alloc(100_000, "x"));
      const found: CopyNews[] = [];
      for await (const one of copyOut(path, {}, all, signal)) {
        if ("data" in one && found.length === 1) await change();
        found.push(one);
      }
      return found;
    };
    const grown = await changed(async () => await appendFile(path, "more"));
    assert.deepEqual(told(grown), ["file ", "65536", "34464", "end"]);
    const other = await changed(async () => await writeFile(path, Buffer.alloc(100_000, "y")));
    assert.deepEqual(told(other), ["file ", "65536", "34464", "file ", "65536", "34464", "end"]);
    assert.deepEqual(
      Buffer.from((other.at(-1) as { end: { sha256: Uint8Array } }).end.sha256),
      sha256(Buffer.alloc(100_000, "y")),
    );
    const cut = await changed(async () => await writeFile(path, "short"));
    assert.deepEqual(told(cut), ["file ", "65536", "file ", "5", "end"]);
    let count = 0;
    const always = (async () => {
      for await (const one of copyOut(path, {}, all, signal)) if ("data" in one) await writeFile(path, `${++count}`.repeat(50));
    })();
    await assert.rejects(always, { code: "FILE_CHANGING" });
  });

  test("is nothing that is closed, or no file", async () => {
    await using folder = await work();
    const top = await tree(folder.path);
    await assert.rejects(out(join(top, "secret"), {}, noSecrets), { code: "PATH_REFUSED" });
    await assert.rejects(out(join(top, "none")), { code: "PATH_NOT_FOUND" });
    await assert.rejects(out("/dev/null"), { code: "NO_PLAIN_FILE" });
  });
});

suite("what comes in", () => {
  test("is the same folder: bytes, permissions, times, links", async () => {
    await using folder = await work();
    const top = await tree(folder.path);
    const target = join(folder.path, "copy");
    {
      await using into = await copyIn(target);
      await receive(into, copyOut(top, {}, all, signal));
      await assert.rejects(stat(target), { code: "ENOENT" }, "until it is whole");
      await into.finish();
    }
    assert.deepEqual(await readFile(join(target, "a/b/large")), await readFile(join(top, "a/b/large")));
    const { mode, mtimeMs } = await stat(join(target, "a-b/script"));
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o755, 1_000_000_000_250], "without its set-uid");
    assert.equal((await stat(join(target, "a/b"))).mode & 0o777, 0o555);
    assert.equal((await stat(join(target, "a"))).mtimeMs, 1_000_000_001_000);
    assert.equal(await readlink(join(target, "outwards")), "/etc/passwd");
    assert.deepEqual((await readdir(folder.path)).toSorted(), ["copy", "tree"], "nothing else is left");
    await chmod(join(target, "a/b"), 0o755);
    await chmod(join(top, "a/b"), 0o755);
  });

  test("goes on after a lost connection, and replaces a file, not what a link there leads to", async () => {
    await using folder = await work();
    const [source, target, beyond] = ["source", "target", "beyond"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(source, Buffer.alloc(100_000, "x"));
    await writeFile(beyond, "mine");
    await symlink(beyond, target);
    const news = await out(source);
    await using into = await copyIn(target);
    await receive(into, news.slice(0, 2));
    const { version } = (news[0] as { entry: { version: string } }).entry;
    await receive(into, await out(source, { part: { path: "", offset: into.received(), version } }));
    await into.finish();
    assert.deepEqual(await readFile(target), await readFile(source));
    assert.deepEqual([(await lstat(target)).isSymbolicLink(), await readFile(beyond, "utf8")], [false, "mine"]);
  });

  test("is written nowhere else, whatever is sent", async () => {
    const entry = (path: string, kind: ReceivedEntry["kind"] = "file", more: Partial<ReceivedEntry> = {}): CopyNews => ({
      entry: { ...{ path, kind, mode: 0o644, modified: 0, target: "", version: "", size: 0, offset: 0 }, ...more },
    });
    const end: CopyNews = { end: { sha256: sha256("") } };
    const top = entry("", "folder");
    const bad: readonly (readonly CopyNews[])[] = [
      [entry("../x")],
      [top, entry("../x"), end],
      [top, entry("/etc/x"), end],
      [top, entry("a/../../x"), end],
      [top, entry("a"), end, entry("a/b"), end],
      [top, entry("."), end],
      [top, entry("a\0b"), end],
      [top, entry("none/b"), end],
      [top, entry("l", "link", { target: "/tmp" }), entry("l/x"), end],
      [top, entry("l", "link", { target: "/tmp" }), entry("l"), end],
      [top, entry("x".repeat(300)), end],
      [top, top],
      [entry("", "link", { target: "/etc/passwd" })],
      [entry("", "file", { offset: 5 })],
      [entry(""), entry("x"), end],
      [{ data: Buffer.from("x") }],
      [end],
      [entry(""), { data: Buffer.from("x") }, end],
    ];
    for (const news of bad) {
      await using folder = await work();
      const outside = join(folder.path, "outside");
      await mkdir(outside);
      await assert.rejects(
        async () => {
          await using into = await copyIn(join(outside, "target"));
          await receive(into, news);
          await into.finish();
        },
        NoCopy,
        JSON.stringify(news.map((one) => ("entry" in one ? one.entry.path : "…"))),
      );
      assert.deepEqual([await readdir(folder.path), await readdir(outside)], [["outside"], []]);
    }
  });

  test("is not there unless it was finished", async () => {
    await using folder = await work();
    const top = await tree(folder.path);
    {
      await using into = await copyIn(join(folder.path, "copy"));
      await receive(into, (await out(top)).slice(0, 6));
      await assert.rejects(into.finish(), NoCopy);
    }
    assert.deepEqual(await readdir(folder.path), ["tree"]);
    await chmod(join(top, "a/b"), 0o755);
  });
});
