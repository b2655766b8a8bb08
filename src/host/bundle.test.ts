import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bundleForNode, bundleInParts } from "./bundle.ts";
import { run } from "./run.ts";

test("a program has Node's modules as they are: none of their properties is read that it does not name", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-bundle-"));
  const source = join(folder.path, "program.ts");
  await writeFile(
    source,
    `import { createServer } from "node:http";
    import { readFile } from "node:fs/promises";
    const { connect } = await import("node:net");
    const undici = (): boolean => process.moduleLoadList.some((name) => /undici/.test(name));
    const before = undici();
    await import(["node", "http"].join(":"));
    console.log(typeof createServer, typeof readFile, typeof connect, before, undici());`,
  );
  const program = join(folder.path, "program.mjs");
  await writeFile(program, await bundleForNode(source, {}));
  const { stdout } = await run([process.execPath, program]);
  assert.equal(stdout, "function function function false true\n", "by import it would have been loaded");
});

test("what a program imports only while it runs is beside it, under the same names wherever the sources lie", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-bundle-"));
  const partsIn = async (place: string): Promise<Awaited<ReturnType<typeof bundleInParts>>> => {
    const sources = join(folder.path, place);
    await mkdir(sources, { recursive: true });
    await writeFile(join(sources, "shared.ts"), "export const shared: string[] = [];");
    await writeFile(
      join(sources, "late.ts"),
      'import { shared } from "./shared.ts"; export const late = shared.push("read late");',
    );
    await writeFile(
      join(sources, "main.ts"),
      'import { shared } from "./shared.ts"; const { late } = await import("./late.ts"); console.log(late, shared);',
    );
    return await bundleInParts(join(sources, "main.ts"), "program", {});
  };
  const [parts, elsewhere] = [await partsIn("here"), await partsIn("some/where/else")];
  assert.deepEqual(parts, elsewhere);
  assert.deepEqual(
    parts.map(({ text }) => text.includes("read late")),
    parts.map(({ name }) => name.startsWith("program-late-")),
  );
  for (const { name, text } of parts) await writeFile(join(folder.path, name), text);
  const { stdout } = await run([process.execPath, join(folder.path, parts[0]!.name)]);
  assert.equal(stdout, "1 [ 'read late' ]\n");
});
