/** @portable In which order the steps of a stage run: each after those that it names, else as they were written. docs/concepts/stages.md */

interface Node {
  readonly name: string;
  /** Names of steps of the same stage. */
  readonly after: readonly string[];
}
/** Why a step has no place in the order. */
export interface GraphProblem {
  /** Of the step. */
  readonly index: number;
  /** Of the name in its `after`. */
  readonly at: number;
  /** The end of a sentence about that name. */
  readonly problem: string;
}

/** Names that are nobody's, and circles; those that only come after such a step are not told. */
export function graphProblems(steps: readonly Node[]): readonly GraphProblem[] {
  const known = new Map(steps.map(({ name }, index) => [name, index]));
  const unknown = steps.flatMap(({ after }, index) =>
    after.flatMap((name, at) => (known.has(name) ? [] : [{ index, at, problem: "is no step of this stage" }])),
  );
  const circle = inCircles(steps, known);
  const circular = [...circle].flatMap((index) => {
    const at = steps[index]!.after.findIndex((name) => circle.has(known.get(name) ?? -1));
    return at < 0 ? [] : [{ index, at, problem: "comes after this step, too: that is a circle" }];
  });
  return [...unknown, ...circular].toSorted((a, b) => a.index - b.index || a.at - b.at);
}

/** What is left when those that nothing is before, and those that nothing is after, have gone again and again. */
function inCircles(steps: readonly Node[], known: ReadonlyMap<string, number>): ReadonlySet<number> {
  const before = steps.map(({ after }) => new Set(after.flatMap((name) => known.get(name) ?? [])));
  const behind = steps.map(() => new Set<number>());
  for (const [index, all] of before.entries()) for (const one of all) behind[one]!.add(index);
  const left = new Set(steps.keys());
  for (const [from, to] of [
    [before, behind],
    [behind, before],
  ] as const) {
    const counts = from.map((all) => [...all].filter((one) => left.has(one)).length);
    const free = [...left].filter((index) => counts[index] === 0);
    for (let index = free.pop(); index !== undefined; index = free.pop()) {
      left.delete(index);
      for (const next of to[index]!) if (left.has(next) && --counts[next]! === 0) free.push(next);
    }
  }
  return left;
}

export interface OrderedSteps<Step> {
  readonly steps: readonly Step[];
  /** Those that have no place in the order, and those that come after one. */
  readonly leftOut: readonly { readonly step: Step; readonly problem: string }[];
}

/** Of several that could be next, the one that was written first. Never throws: what makes no sense is left out. */
export function orderSteps<Step extends Node>(steps: readonly Step[]): OrderedSteps<Step> {
  const wrong = new Map<Step, string>();
  for (const { index, at, problem } of graphProblems(steps)) {
    const step = steps[index]!;
    if (!wrong.has(step)) wrong.set(step, `after: ${JSON.stringify(step.after[at])} ${problem}`);
  }
  const ordered: Step[] = [];
  const done = new Set<string>();
  const waiting = new Set(steps.filter((step) => !wrong.has(step)));
  for (;;) {
    const next = [...waiting].find(({ after }) => after.every((name) => done.has(name)));
    if (!next) break;
    waiting.delete(next);
    done.add(next.name);
    ordered.push(next);
  }
  for (const step of waiting) wrong.set(step, "after: it comes after a step that is left out");
  return { steps: ordered, leftOut: steps.flatMap((step) => (wrong.has(step) ? [{ step, problem: wrong.get(step)! }] : [])) };
}
