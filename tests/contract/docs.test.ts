import assert from "node:assert/strict";
import { access, glob, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";

const TOP = resolve(import.meta.dirname, "../..");

test("every link in the documentation leads somewhere", async () => {
  const dead: string[] = [];
  let links = 0;
  for await (const page of glob(["*.md", "docs/**/*.md"], { cwd: TOP })) {
    const text = (await readFile(join(TOP, page), "utf8")).replaceAll(/```.*?```/gs, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:|^#/.test(target!)) continue;
      links++;
      const path = join(TOP, dirname(page), target!.split("#")[0]!);
      await access(path).catch(() => dead.push(`${page}: ${target}`));
    }
  }
  assert.ok(links > 20, `the check saw only ${links} links`);
  assert.deepEqual(dead, []);
});

test("every page of the documentation is reached from the README", async () => {
  const pages = new Set(await Array.fromAsync(glob("docs/**/*.md", { cwd: TOP })));
  const seen = new Set<string>();
  const follow = async (page: string): Promise<void> => {
    if (seen.has(page)) return;
    seen.add(page);
    for (const [, target] of (await readFile(join(TOP, page), "utf8")).matchAll(/\]\(([^)\s#]+\.md)/g)) {
      const next = join(dirname(page), target!);
      if (pages.has(next)) await follow(next);
    }
  };
  await follow("README.md");
  assert.deepEqual(
    [...pages].filter((page) => !seen.has(page)),
    [],
  );
});
