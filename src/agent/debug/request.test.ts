import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DebugRight, DebugStartSchema } from "../../protocol/petrify/v1/debug_pb.ts";
import { wantedOf } from "./request.ts";

type Start = MessageInitShape<typeof DebugStartSchema>;
const IMAGE = { image: { case: "reference", value: "registry.example/tools:1" } } as const;
const wanted = (start: Start) => wantedOf(create(DebugStartSchema, { ...IMAGE, ...start }));

suite("what is asked for of a container", () => {
  test("has no right, an hour, and no terminal unless it says so", () => {
    const { image, rights, granted, command, terminal, seconds } = wanted({});
    assert.deepEqual(
      [image, rights, [...granted], command, terminal, seconds],
      [{ reference: "registry.example/tools:1" }, [], [], [], undefined, 3600],
    );
  });

  test("is understood as it was meant: whoever may write may read, a terminal has a size", () => {
    const found = wanted({
      ...{ image: { case: "archive", value: { tag: "v1" } }, rights: [DebugRight.WRITE, DebugRight.WRITE], command: ["a", ""] },
      ...{ terminal: { kind: "x;rm" }, duration: { seconds: 43_200n } },
    });
    assert.deepEqual(
      [found.image, found.rights, [...found.granted].toSorted()],
      [{ archive: true, tag: "v1" }, ["write"], ["files", "write"]],
    );
    assert.deepEqual(
      [found.terminal, found.seconds, found.command],
      [{ kind: "dumb", size: { columns: 80, rows: 24 } }, 43_200, ["a", ""]],
    );
  });

  for (const [what, start] of [
    ["no image", { image: { case: undefined } }],
    ["an image without a name", { image: { case: "reference", value: "" } }],
    ["a name without an end", { image: { case: "reference", value: "x".repeat(2000) } }],
    ["a right that there is not", { rights: [99 as DebugRight] }],
    ["the right that is none", { rights: [DebugRight.UNSPECIFIED] }],
    ["a program without a name", { command: ["", "x"] }],
    ["a word with a zero byte", { command: ["a", "b\0c"] }],
    ["words without end", { command: Array.from({ length: 201 }, () => "x") }],
    ["a word without end", { command: ["x".repeat(40_000)] }],
    ["no time", { duration: { seconds: 0n } }],
    ["more than half a day", { duration: { seconds: 43_201n } }],
    ["a window without end", { terminal: { kind: "x", window: { columns: 5000, rows: 1 } } }],
  ] as readonly (readonly [string, Start])[])
    test(`is refused with ${what}`, () => {
      assert.throws(() => wanted(start), { code: "REQUEST_INVALID" });
    });
});
