import assert from "node:assert/strict";
import { test } from "node:test";
import { baseSource, type SuiteSource } from "../config/base.ts";
import { parseRecipe } from "../config/parse-recipe.ts";
import { packageInputs } from "./default-packages.ts";

function names(init: string): readonly string[] {
  const text = `apiVersion: petrify/v1\nname: x\nbase: { suite: trixie }\ninit: ${init}\npackages: [vim]\n`;
  const recipe = parseRecipe(text, "r.yaml");
  return packageInputs(baseSource(recipe.base) as SuiteSource, recipe).names;
}

test("an image has one init, and whichever it is, what every image needs and what the recipe asks for", () => {
  const [systemd, openrc] = [names("systemd"), names("openrc")];
  for (const name of ["udev", "dbus", "kmod", "e2fsprogs", "linux-image-cloud-amd64", "vim"]) {
    assert.ok(systemd.includes(name) && openrc.includes(name), name);
  }
  assert.ok(systemd.includes("systemd-sysv"));
  for (const name of ["systemd", "systemd-sysv"]) assert.ok(!openrc.includes(name), name);
  assert.ok(openrc.includes("sysvinit-core"));
});
