import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bundleForNode, bundleInParts } from "../host/bundle.ts";

const source = (name: string): string => join(import.meta.dirname, name);

/** What is read when the agent starts, and what is beside it. */
async function agentParts(): Promise<{ readonly started: string; readonly late: string }> {
  const parts = await bundleInParts(source("main.ts"), "petrifyd", {});
  const started = new Set([parts[0]!]);
  for (const { text } of started) {
    const imported = [...text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)].map(([, name]) => name);
    for (const part of parts) if (imported.includes(part.name)) started.add(part);
  }
  const textOf = (wanted: boolean): string =>
    parts.flatMap((part) => (started.has(part) === wanted ? [part.text] : [])).join("\n");
  return { started: textOf(true), late: textOf(false) };
}

test("the agent's own program brings no schema library: that would cost a third of its memory, and half of the time until it answers", async () => {
  const { started, late } = await agentParts();
  assert.doesNotMatch(started + late, /ZodError/);
  assert.match(await bundleForNode(source("image-main.ts"), {}), /ZodError/, "where there is one, it is seen");
});

test("what the agent of a machine with a disk does without is read only where it is needed: YAML, TLS", async () => {
  const { started, late } = await agentParts();
  assert.match(late, /YAMLParseError/);
  assert.doesNotMatch(started, /YAMLParseError/);
  assert.match(started, /await import\("node:https"\)/);
  assert.doesNotMatch(started, /getBuiltinModule\("node:(https|tls)"\)/);
  assert.match(started, /getBuiltinModule\("node:http"\)/, "where there is one, it is seen");
});

test("the API is a program of its own: the agent brings nothing of it", async () => {
  const { started, late } = await agentParts();
  const parts = /NodeService|AsnConvert|node:http2/;
  assert.doesNotMatch(started + late, parts);
  assert.match(await bundleForNode(source("api-main.ts"), {}), parts, "where there is some, it is seen");
});

test("of the schema library, what works on images has only what it uses: in all its languages it would be half of the program", async () => {
  const languages = /Input non valido/;
  assert.doesNotMatch(await bundleForNode(source("image-main.ts"), {}), languages);
  assert.match(await bundleForNode(source("look-main.ts"), {}), languages, "where there are some, they are seen");
});
