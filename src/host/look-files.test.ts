import assert from "node:assert/strict";
import { link, mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import { folderEntries, folderUse, readFileRange } from "./look-files.ts";
import { run } from "./run.ts";

const { signal } = new AbortController();
const ALL = { from: 0, most: Number.MAX_SAFE_INTEGER };
const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-look-files-"));

suite("a folder's entries", () => {
  test("are told with what they are", async () => {
    await using folder = await temporary();
    const at = (name: string): string => join(folder.path, name);
    await writeFile(at("file"), "12345", { mode: 0o640 });
    await mkdir(at("folder"));
    await symlink("/nowhere", at("link"));
    await run(["mkfifo", at("pipe")]);
    const server = createServer().listen(at("socket"));
    const found = await Array.fromAsync(folderEntries(folder.path));
    server.close();
    const kinds = Object.fromEntries(found.map(({ name, kind }) => [name, kind]));
    assert.deepEqual(kinds, { file: "file", folder: "folder", link: "link", pipe: "pipe", socket: "socket" });
    const file = found.find(({ name }) => name === "file")!;
    assert.deepEqual([file.size, file.mode, file.uid], [5, 0o640, process.getuid!()]);
    assert.equal(found.find(({ name }) => name === "link")?.target, "/nowhere");
    const [itself] = await Array.fromAsync(folderEntries(at("file")));
    assert.equal(itself?.name, "file");
  });

  test("are told of what is not there", async () => {
    await assert.rejects(Array.fromAsync(folderEntries("/none/at all")), { code: "PATH_NOT_FOUND" });
    await assert.rejects(Array.fromAsync(folderEntries("/etc/passwd/x")), { code: "PATH_NOT_FOUND" });
  });
});

suite("the room of a folder", () => {
  test("is counted by what lies in it, a file with two names once", async () => {
    await using folder = await temporary();
    const at = (name: string): string => join(folder.path, name);
    await mkdir(at("a/b"), { recursive: true });
    await writeFile(at("a/b/file"), Buffer.alloc(100_000, 1));
    await link(at("a/b/file"), at("a/again"));
    await writeFile(at("c"), Buffer.alloc(50_000, 1));
    const { parts, isCut } = await folderUse(folder.path, 1000, signal);
    assert.equal(isCut, false);
    const [a, c] = ["a", "c"].map((name) => parts.find((part) => part.name === name)!);
    assert.ok(a!.bytes >= 100_000 && a!.bytes < 180_000, `${a!.bytes}`);
    assert.ok(c!.bytes >= 50_000 && c!.bytes < 80_000, `${c!.bytes}`);
    assert.deepEqual([a!.files, c!.files], [3, 1]);
  });

  test("is not counted for ever", async () => {
    await using folder = await temporary();
    for (let number = 0; number < 10; number++) await writeFile(join(folder.path, `${number}`), "");
    const { parts, isCut } = await folderUse(folder.path, 4, signal);
    assert.deepEqual([parts.length, isCut], [4, true]);
    await assert.rejects(folderUse(folder.path, 100, AbortSignal.abort()), { name: "AbortError" });
  });
});

suite("a file", () => {
  const read = async (path: string, range = ALL, allow: Parameters<typeof readFileRange>[2] = () => {}): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(readFileRange(path, range, allow)));

  test("is read from where it is wanted, as far as it is wanted", async () => {
    await using folder = await temporary();
    const path = join(folder.path, "file");
    const bytes = Buffer.alloc(200_000, "petrify");
    await writeFile(path, bytes);
    assert.deepEqual(await read(path), bytes);
    assert.deepEqual(await read(path, { from: 100_001, most: 7 }), bytes.subarray(100_001, 100_008));
    assert.equal((await read(path, { from: 300_000, most: 7 })).length, 0);
    assert.match(String(await read("/proc/version")), /Linux/, "of the kernel, whose files have no size");
  });

  test("is not read where somebody says so, by its real path or its first bytes, whatever leads to it", async () => {
    await using folder = await temporary();
    const at = (name: string): string => join(folder.path, name);
    await writeFile(at("secret"), "the key");
    await symlink("secret", at("harmless"));
    const refused = new AppError("PATH_REFUSED", "no");
    const byPath = (path: string): void => {
      if (path.endsWith("/secret")) throw refused;
    };
    await assert.rejects(read(at("harmless"), ALL, byPath), { code: "PATH_REFUSED" });
    const byHead = (_path: string, head: Uint8Array | undefined): void => {
      if (head && Buffer.from(head).includes("key")) throw refused;
    };
    await assert.rejects(read(at("harmless"), { from: 7, most: 1 }, byHead), { code: "PATH_REFUSED" });
  });

  test("is a plain one: nothing else is even opened", async () => {
    await using folder = await temporary();
    await run(["mkfifo", join(folder.path, "pipe")]);
    for (const path of [folder.path, join(folder.path, "pipe"), "/dev/null"])
      await assert.rejects(read(path), { code: "NO_PLAIN_FILE" }, path);
    await symlink("loop", join(folder.path, "loop"));
    await assert.rejects(read(join(folder.path, "loop")), { code: "PATH_NOT_FOUND" });
  });
});
