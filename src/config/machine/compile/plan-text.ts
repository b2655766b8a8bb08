/** @portable A plan of changes for people: what differs, what follows in which order, what waits for a reboot. */
import type { Action, Change, ChangePlan } from "./plan-changes.ts";

type Waiting = Pick<Action, "id" | "says" | "after">;
/** Without what the actions are. */
export interface TextPlan extends Pick<ChangePlan, "changes" | "reboot"> {
  readonly actions: readonly Waiting[];
}

const SIGNS = { added: "+", changed: "~", removed: "-" } as const;
const KINDS: Readonly<Record<Change["kind"], string>> = {
  path: "",
  user: "user ",
  group: "group ",
  hostname: "host name ",
  persistent: "persistent ",
  "kernel-args": "kernel argument ",
  health: "",
  updates: "",
  stage: "stage ",
  once: "",
};

/** One that needs nothing is one line. */
export function planText({ changes, actions, reboot }: TextPlan): string {
  if (changes.length === 0) return "nothing would change\n";
  const numbers = new Map(actions.map(({ id }, index) => [id, index + 1]));
  const lines = [
    "changes",
    ...changes.map(({ kind, how, name }) => `  ${SIGNS[how]} ${KINDS[kind]}${name}`),
    ...(actions.length > 0 ? ["then, in this order"] : []),
    ...actions.map(({ id, says, after }) => {
      const waits = shortest(after, (other) => above(other, actions));
      const numbered = waits.map((other) => numbers.get(other)).join(", ");
      return `  ${numbers.get(id)}. ${says}${numbered === "" ? "" : `  (after ${numbered})`}`;
    }),
    ...(reboot.length > 0 ? ["only after a reboot"] : []),
    ...reboot.map((sentence) => `  ${sentence}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Those that the others do not wait for themselves. */
const shortest = (after: readonly string[], over: (id: string) => ReadonlySet<string>): string[] =>
  after.filter((id) => !after.some((other) => other !== id && over(other).has(id)));

function above(id: string, actions: readonly Waiting[]): Set<string> {
  const found = new Set<string>();
  const waiting = [...(actions.find((action) => action.id === id)?.after ?? [])];
  while (waiting.length > 0) {
    const next = waiting.pop()!;
    if (found.has(next)) continue;
    found.add(next);
    waiting.push(...(actions.find((action) => action.id === next)?.after ?? []));
  }
  return found;
}
