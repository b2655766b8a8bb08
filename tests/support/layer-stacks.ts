/** Layers at random: few names, so that they meet. */
import fc from "fast-check";
import type { NaiveMember } from "./naive-layers.ts";
import { tar, type Written } from "./tar.ts";

const part = fc.constantFrom("a", "b", "c");
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const target = fc.constantFrom("a", "b", "/a", "/b/c", "../a", "../../b", ".", "..", "/", "b/../c", "nowhere/a", "a/b/c");
const whiteout = fc
  .tuple(fc.array(part, { maxLength: 3 }), fc.constantFrom("a", "b", "c", ".wh..opq"))
  .map(([folders, hidden]) => ({ type: "file" as const, name: [...folders, `.wh.${hidden}`].join("/"), target: "" }));

const members: fc.Arbitrary<NaiveMember> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constantFrom("folder", "file"), name, target: fc.constant("") }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("symlink"), name, target }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("hardLink"), name, target: name }) },
  { weight: 2, arbitrary: whiteout },
);
export const layerStacks: fc.Arbitrary<NaiveMember[][]> = fc.array(fc.array(members, { maxLength: 7 }), {
  minLength: 1,
  maxLength: 4,
});

const FLAGS = { folder: "5", file: "0", symlink: "2", hardLink: "1" } as const;

/** Each layer as a tar. @param contentOf what is in the file of that layer and place */
export const tarsOf = (layers: readonly (readonly NaiveMember[])[], contentOf: (source: string) => string): Uint8Array[] =>
  layers.map((all, layer) =>
    tar(
      ...all.map(({ type, name: at, target: to }, place): Written => ({
        ...{ name: at, target: to, flag: FLAGS[type], mode: type === "folder" ? 0o755 : 0o644 },
        data: type === "file" && !at.includes(".wh.") ? contentOf(`${layer}/${place}`) : "",
      })),
    ),
  );
