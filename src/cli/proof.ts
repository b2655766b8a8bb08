import { AppError } from "../core/error.ts";

/** What the quickstart image reports on its console (templates/quickstart/files/proof), by what was tried or looked at. */
export type Proof = ReadonlyMap<string, string>;

/** Ends one boot's report. */
export const proofEnd = (boot: number): RegExp => new RegExp(`PROOF ${boot} end`);

/** The last report of that boot that the console shows. */
export function readProof(console: string, boot: number): Proof {
  const lines = console.matchAll(new RegExp(`PROOF ${boot} (\\S+) ([^\\n]+)`, "g"));
  return new Map(lines.map(([, what, outcome]) => [what!, outcome!.trim()]));
}

export interface Finding {
  /** For people: what was tried. */
  readonly what: string;
  readonly outcome: string;
  readonly asItShouldBe: boolean;
}

const REFUSED: readonly (readonly [name: string, what: string])[] = [
  ["write-to-/", "write to /"],
  ["write-to-/usr", "write to /usr"],
  ["replace-/usr/bin/sh", "replace /usr/bin/sh"],
];
const MARKS: readonly (readonly [folder: string, afterReboot: "found" | "absent"])[] = [
  ["/etc", "absent"],
  ["/usr/local", "found"],
  ["/oem", "found"],
];

/** What the first boot has to show: writes are refused, and nothing is there from an earlier boot. */
export function firstBoot(proof: Proof): Finding[] {
  const refused = REFUSED.map(([name, what]) => {
    const outcome = proof.get(name) ?? "not reported";
    return { what, outcome, asItShouldBe: outcome.startsWith("refused") };
  });
  const marks = MARKS.map(([folder]) => {
    const outcome = proof.get(folder);
    return {
      what: `change ${folder}`,
      outcome: outcome === "absent" ? "made" : (outcome ?? "not reported"),
      asItShouldBe: outcome === "absent",
    };
  });
  return [...refused, ...marks];
}

/** What the second boot has to show: which of the first one's changes are still there. */
export function secondBoot(proof: Proof): Finding[] {
  return MARKS.map(([folder, expected]) => {
    const outcome = proof.get(folder);
    const words = { found: "kept", absent: "gone" }[outcome ?? ""] ?? "not reported";
    return { what: `the change in ${folder}`, outcome: words, asItShouldBe: outcome === expected };
  });
}

/** @throws AppError `NOT_IMMUTABLE` */
export function requireAll(findings: readonly Finding[]): void {
  const wrong = findings.find(({ asItShouldBe }) => !asItShouldBe);
  if (!wrong) return;
  throw new AppError("NOT_IMMUTABLE", `the image is not what it should be: ${wrong.what}: ${wrong.outcome}`, {
    hint: "Undo the changes in the recipe's folder, or remove the folder and start again.",
  });
}
