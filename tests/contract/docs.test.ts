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

test("what the threat model calls held is held by tests that are there, and no section is left out", async () => {
  const text = await readFile(join(TOP, "docs/threat-model.md"), "utf8");
  const rows = [...text.matchAll(/^\| (\d\.\d[\d., ]*) \| .* \| (held|partly|not held|not here) \| .* \| (.*) \|$/gm)];
  const about = (from: string, to: string): string[] =>
    rows
      .filter(({ index }) => index > text.indexOf(from) && index < text.indexOf(to))
      .flatMap(([, sections]) => sections!.split(", "));
  // Sections 3.1 to 3.5 of NIST SP 800-190, and the chapters of CIS Distribution Independent Linux 2.0.0: how many parts each has.
  const sections = (parts: readonly (readonly [string, number])[]): string[] =>
    parts.flatMap(([chapter, count]) => Array.from({ length: count }, (_, n) => `${chapter}.${n + 1}`));
  const nist = sections([
    ["3.1", 5],
    ["3.2", 3],
    ["3.3", 5],
    ["3.4", 5],
    ["3.5", 5],
  ]);
  assert.deepEqual(about("## NIST", "## CIS"), [...nist, "4.6"]);
  const cis = sections([
    ["1", 8],
    ["2", 3],
    ["3", 7],
    ["4", 3],
    ["5", 6],
    ["6", 2],
  ]);
  assert.deepEqual(about("## CIS", "## What is not held"), cis);
  for (const [, section, state, tests] of rows) {
    const files = [...tests!.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path]) => path!);
    assert.ok(files.length > 0 || state!.startsWith("not "), `${section} is ${state} by no test`);
    for (const file of files) {
      assert.match(file, /\.test\.ts$/, section!);
      await access(join(TOP, file));
    }
  }
});
