import assert from "node:assert/strict";
import { access, glob, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { parseRecipe } from "../../src/config/parse-recipe.ts";
import { problemsOf } from "../support/machine-documents.ts";

const TOP = resolve(import.meta.dirname, "../..");
const pages = async (): Promise<[page: string, text: string][]> => {
  const names = await Array.fromAsync(glob(["*.md", "docs/**/*.md"], { cwd: TOP }));
  return await Promise.all(
    names.toSorted().map(async (name): Promise<[string, string]> => [name, await readFile(join(TOP, name), "utf8")]),
  );
};
const withoutCode = (text: string): string => text.replaceAll(/^```.*?^```/gms, "");

/** The anchors that a page's headings get, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutCode(text).matchAll(/^#+ +(.*)$/gm)) {
    const words = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
    let name = anchor;
    for (let again = 1; anchors.has(name); again++) name = `${anchor}-${again}`;
    anchors.add(name);
  }
  return anchors;
}

test("every link in the documentation leads somewhere, and to a heading that is there", async () => {
  const texts = new Map(await pages());
  const dead: string[] = [];
  let links = 0;
  for (const [page, text] of texts) {
    for (const [, target] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      links++;
      const [file = "", anchor] = target!.split("#");
      const path = file === "" ? page : join(dirname(page), file);
      const there = await access(join(TOP, path)).then(
        () => true,
        () => false,
      );
      const named = texts.get(path);
      if (!there || (anchor !== undefined && named !== undefined && !anchorsOf(named).has(anchor)))
        dead.push(`${page}: ${target}`);
    }
  }
  assert.ok(links > 1000, `the check saw only ${links} links`);
  assert.deepEqual(dead, []);
});

test("every row of a table in the documentation belongs to a head, and has as many cells", async () => {
  const cells = (row: string): number => row.replaceAll(/\\\||`[^`]*`/g, "").split("|").length;
  const wrong: string[] = [];
  for (const [page, text] of await pages()) {
    const lines = withoutCode(text).split("\n");
    for (const [index, line] of lines.entries()) {
      if (!line.startsWith("|")) continue;
      const before = lines[index - 1] ?? "";
      const isHead = !before.startsWith("|");
      if (isHead ? !/^\|[\s:|-]+$/.test(lines[index + 1] ?? "") : cells(line) !== cells(before)) wrong.push(`${page}: ${line}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every recipe and every machine config in the documentation is sound", async () => {
  const examples = (await pages()).flatMap(([page, text]) =>
    [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml]): [string, string] => [page, yaml!]),
  );
  for await (const path of glob(["docs/examples/*.yaml", "docs/ansible/configs/*.yaml"], { cwd: TOP })) {
    examples.push([path, await readFile(join(TOP, path), "utf8")]);
  }
  let sound = 0;
  for (const [origin, yaml] of examples) {
    if (yaml.startsWith("#cloud-config\n")) assert.deepEqual(problemsOf(yaml), [], origin);
    else if (/^name:/m.test(yaml) && /^base:/m.test(yaml)) parseRecipe(yaml, origin);
    else continue; // a part of one, or something else
    sound++;
  }
  assert.ok(sound >= 8, `only ${sound} examples are whole`);
});

test("every dependency is named with its reason, and every page in the list of pages", async () => {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(TOP, "package.json"), "utf8")) as Record<
    string,
    object
  >;
  const reasons = await readFile(join(TOP, "docs/dependencies.md"), "utf8");
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !name.startsWith("@types/"));
  assert.deepEqual(
    names.filter((name) => !reasons.includes(`\`${name}\``)),
    [],
  );
  const list = await readFile(join(TOP, "docs/README.md"), "utf8");
  const written = await Array.fromAsync(glob("**/*.md", { cwd: join(TOP, "docs") }));
  assert.deepEqual(
    written.filter((page) => page !== "README.md" && !list.includes(`](${page})`)),
    [],
  );
});

test("every page of the documentation is reached from the README", async () => {
  const written = new Set(await Array.fromAsync(glob("docs/**/*.md", { cwd: TOP })));
  const seen = new Set<string>();
  const follow = async (page: string): Promise<void> => {
    if (seen.has(page)) return;
    seen.add(page);
    for (const [, target] of (await readFile(join(TOP, page), "utf8")).matchAll(/\]\(([^)\s#]+\.md)/g)) {
      const next = join(dirname(page), target!);
      if (written.has(next)) await follow(next);
    }
  };
  await follow("README.md");
  assert.deepEqual(
    [...written].filter((page) => !seen.has(page)),
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
