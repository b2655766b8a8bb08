import { REFUSED, REFUSED_WITHIN, WITHOUT_EFFECT } from "../src/config/machine/refused.ts";

/** Tables of what is not taken, and why; keys with the same reason share a line. */
export function refusedTable(): string {
  const within = Object.entries(REFUSED_WITHIN).flatMap(([path, keys]) =>
    Object.entries(keys).map(([key, reason]): [string, string] => [
      path === "user" || path.startsWith("stages.*[].users") ? "" : `${path}.${key}`,
      reason,
    ]),
  );
  return [
    ...["### Refused", "", "| key | it |", "|---|---|", ...rows(Object.entries(REFUSED)), ""],
    ...[
      "### Refused within another key",
      "",
      "Those of a user hold for `user` and for the users of steps, too.",
      "",
      "| key | it |",
      "|---|---|",
    ],
    ...[...rows(within.filter(([path]) => path !== "")), ""],
    ...["### Taken, and without effect", "", "| key | because |", "|---|---|", ...rows(Object.entries(WITHOUT_EFFECT))],
  ].join("\n");
}

function rows(entries: readonly (readonly [key: string, reason: string])[]): string[] {
  const byReason = Map.groupBy(entries, ([, reason]) => reason);
  return Array.from(byReason, ([reason, keys]) => `| ${keys.map(([key]) => `\`${key}\``).join(" ")} | ${reason} |`);
}
