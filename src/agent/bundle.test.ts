import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bundleForNode } from "../host/bundle.ts";

test("the agent's own program brings no schema library: that would cost a third of its memory, and half of the time until it answers", async () => {
  const text = async (name: string): Promise<string> => await bundleForNode(join(import.meta.dirname, name), {});
  assert.doesNotMatch(await text("main.ts"), /ZodError/);
  assert.match(await text("image-main.ts"), /ZodError/, "where there is one, it is seen");
});
