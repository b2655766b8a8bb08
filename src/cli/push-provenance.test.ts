import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { someBuild } from "../../tests/support/provenance.ts";
import { isAbout, parseStatement } from "../release/in-toto.ts";
import { provenance } from "../release/provenance.ts";
import { provenanceOf, readProvenance } from "./push-provenance.ts";

async function read(text: string): Promise<Readonly<Record<string, unknown>>> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-provenance-"));
  await writeFile(join(dir.path, "file"), text);
  return await readProvenance(join(dir.path, "file"));
}
const made = provenance(someBuild);

test("provenance, alone or in a statement, is said of the release", async () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  for (const value of [made, made.predicate]) {
    const { bytes, artifactType } = provenanceOf(digest, await read(JSON.stringify(value)));
    const said = parseStatement(bytes)!;
    assert.equal(artifactType, "application/vnd.in-toto+json");
    assert.deepEqual(said.predicate, made.predicate);
    assert.ok(isAbout(said, digest) && !isAbout(said, someBuild.subject.digest));
  }
});

for (const [what, text, message] of [
  ["no JSON", "buildDefinition:", /not JSON/],
  ["a list", "[]", /no provenance/],
  ["a statement about something else", JSON.stringify({ ...made, predicateType: "https://x.example/" }), /something else/],
  ["a statement without its predicate", JSON.stringify({ ...made, predicate: undefined }), /no provenance/],
  ["half of one", JSON.stringify({ buildDefinition: {} }), /no provenance/],
] as const) {
  test(`${what} is no provenance`, async () => {
    await assert.rejects(read(text), { code: "PROVENANCE_INVALID", message });
  });
}

test("a file that is not there is told", async () => {
  await assert.rejects(readProvenance("/no/such/file"), { code: "PROVENANCE_INVALID", message: /cannot be read/ });
});
