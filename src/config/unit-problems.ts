/** @portable Which names of units fit the init of an image. */
import { sameUnit, whyNoUnit, type InitKind } from "./words.ts";

/** The part of a recipe that names units. */
export interface NamedUnits {
  readonly units: { readonly [verb in "enable" | "disable" | "mask"]: readonly string[] };
  readonly health: { readonly checks: readonly { readonly unit?: string | undefined }[] };
}
export interface UnitProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The init that a recipe settles by itself; none where the base decides. */
export function namedInit({
  init,
  base,
}: {
  readonly init?: InitKind | undefined;
  readonly base: { readonly suite?: string | undefined };
}): InitKind | undefined {
  return init ?? (base.suite === undefined ? undefined : "systemd");
}

/** What an init cannot do of what a recipe asks for. */
export function unitProblems(init: InitKind, { units, health }: NamedUnits): UnitProblem[] {
  const problems: UnitProblem[] = [];
  const check = (path: UnitProblem["path"], unit: string): void => {
    const message = whyNoUnit(init, unit);
    if (message) problems.push({ path, message });
  };
  for (const verb of ["enable", "disable", "mask"] as const) {
    for (const [index, unit] of units[verb].entries()) check(["units", verb, index], unit);
  }
  for (const [index, { unit }] of health.checks.entries()) if (unit) check(["health", "checks", index, "unit"], unit);
  if (init === "openrc" && units.mask.length > 0) {
    problems.push({
      path: ["units", "mask"],
      message: "is for systemd: OpenRC has no masks; what is listed under disable is started only when another service needs it",
    });
  }
  for (const other of ["disable", "mask"] as const) {
    for (const [index, unit] of units[other].entries()) {
      if (!units.enable.some((enabled) => sameUnit(init, enabled, unit))) continue;
      problems.push({ path: ["units", other, index], message: `${unit} is listed under enable too` });
    }
  }
  return problems;
}
