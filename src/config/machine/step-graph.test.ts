import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { orderSteps } from "./step-graph.ts";

/** `b:a,c` is a step b after a and c. */
const steps = (text: string) =>
  text.split(" ").map((word) => {
    const [name = "", after] = word.split(":");
    return { name, after: after?.split(",") ?? [] };
  });
const CASES: readonly (readonly [what: string, steps: string, order: string, leftOut: Readonly<Record<string, RegExp>>])[] = [
  ["as they were written", "a b c", "a b c", {}],
  ["what has to wait waits, and no longer than it has to", "a:c b c d", "b c a d", {}],
  ["a step twice in a list is once", "a:b,b b", "b a", {}],
  ["a name that is nobody's", "a:x b", "b", { a: /"x" is no step of this stage/ }],
  ["those that wait for what is left out", "a:x b:a c:b d", "d", { a: /"x"/, b: /left out/, c: /left out/ }],
  ["a circle", "a:b b:a c", "c", { a: /"b" comes after this step, too/, b: /"a" comes after/ }],
  ["a step after itself", "a:a b", "b", { a: /circle/ }],
  ["what waits for a circle, and what a circle waits for", "z a:b,z b:a c:b", "z", { a: /"b"/, b: /"a"/, c: /left out/ }],
];
for (const [what, text, order, leftOut] of CASES) {
  test(`the order of steps: ${what}`, () => {
    const found = orderSteps(steps(text));
    assert.equal(found.steps.map(({ name }) => name).join(" "), order);
    assert.deepEqual(
      found.leftOut.map(({ step }) => step.name),
      Object.keys(leftOut),
    );
    for (const { step, problem } of found.leftOut) assert.match(problem, leftOut[step.name]!);
  });
}

test("whatever steps wait for each other: each is run once and after those it names, or is left out", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const graph = fc.array(fc.array(fc.constantFrom(...names, "nobody"), { maxLength: 3 }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(graph, (all) => {
      const nodes = names.map((name, index) => ({ name, after: all[index]! }));
      const { steps: ordered, leftOut } = orderSteps(nodes);
      assert.deepEqual([...ordered, ...leftOut.map(({ step }) => step)].map(({ name }) => name).toSorted(), names);
      for (const [index, { after }] of ordered.entries()) {
        const before = new Set(ordered.slice(0, index).map(({ name }) => name));
        assert.ok(after.every((name) => before.has(name)));
      }
      if (nodes.every(({ after }) => after.length === 0)) assert.deepEqual(ordered, nodes);
    }),
  );
});
