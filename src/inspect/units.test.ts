import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageTree } from "./image-tree.ts";
import { unitsOf } from "./units.ts";

const OWN = "/etc/systemd/system";

/** Paths, with what each leads to; nothing is followed. */
function treeOf(links: Readonly<Record<string, string>>): ImageTree {
  const nodes = new Map(Object.entries(links).map(([path, target]) => [path, { path, target }]));
  const names = (folder: string): string[] => {
    const below = [...nodes.keys()].filter((path) => path.startsWith(`${folder}/`));
    return [...new Set(below.map((path) => path.slice(folder.length + 1).split("/")[0]!))].toSorted();
  };
  const find = (path: string) => nodes.get(path) ?? (names(path).length > 0 ? { path } : undefined);
  return { nodes, names, find } as unknown as ImageTree;
}

test("what is masked starts nothing: a unit, the instances of a template, and what a target wants", () => {
  const tree = treeOf({
    [`${OWN}/getty@.service`]: "/dev/null",
    [`${OWN}/multi-user.target.wants/getty@tty1.service`]: "/usr/lib/systemd/system/getty@.service",
    [`${OWN}/multi-user.target.wants/getty@tty2.service`]: `${OWN}/getty@tty2.service`,
    [`${OWN}/getty@tty2.service`]: "/usr/lib/own/getty@tty2.service",
    [`${OWN}/off.service`]: "/dev/null",
    [`${OWN}/multi-user.target.wants/off.service`]: "/usr/lib/systemd/system/off.service",
    [`${OWN}/rest.target`]: "/dev/null",
    [`${OWN}/rest.target.wants/app.service`]: "/usr/lib/systemd/system/app.service",
    [`${OWN}/multi-user.target.wants/web.service`]: "/usr/lib/systemd/system/web.service",
  });
  const { enabled, masked } = unitsOf(tree, "systemd");
  assert.deepEqual(
    enabled.map(({ name }) => name),
    ["getty@tty2.service", "web.service"],
  );
  assert.deepEqual(masked, ["getty@.service", "off.service", "rest.target"]);
});
