/** @portable petrify.lock: what a build used, so that the next one uses the same. Format: docs/formats/lock.md. */
import { parse } from "yaml";
import { z } from "zod";
import { AppError } from "../core/error.ts";

const LockedPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  arch: z.string(),
  /** Of the .deb file, hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const LockedId = z.strictObject({ name: z.string(), id: z.int().min(0) });

/** Packages that another place than the base gives; the keys of a lock. */
const LockedSource = z.strictObject({ inputs: z.string(), time: z.int().min(0), packages: z.array(LockedPackage) });

const Lock = z.strictObject({
  format: z.literal(1),
  /** Digest of what the packages were chosen for: suite, mirror, components and package names. */
  inputs: z.string(),
  /** Newest date of the archive's release files, seconds since 1970: the time every file of the image carries. */
  time: z.int().min(0),
  packages: z.array(LockedPackage),
  users: z.array(LockedId),
  groups: z.array(LockedId),
  /** Where the kernel comes from, when that is not the base; absent in locks of before there was such a thing. */
  kernel: LockedSource.optional(),
});
export type Lock = z.output<typeof Lock>;
export type LockedSource = z.output<typeof LockedSource>;
export type LockedPackage = z.output<typeof LockedPackage>;
export type LockedId = z.output<typeof LockedId>;

/** @throws AppError `LOCK_INVALID`, also for a lock of a newer format */
export function parseLock(text: string, origin: string): Lock {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw invalid(origin, (cause as Error).message.split("\n")[0]!, cause);
  }
  const parsed = Lock.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(origin, `${issue?.path.join(".") || "(top level)"}: ${issue?.message}`, parsed.error);
}

function invalid(origin: string, reason: string, cause: unknown): AppError {
  return new AppError("LOCK_INVALID", `${origin}: ${reason}`, {
    hint: "Restore the file from version control, or remove it to have a new one written (ids of users may then move).",
    cause,
  });
}

/** One entry a line, sorted by name: a change reads well in a diff. */
export function formatLock({ format, inputs, time, packages, users, groups, kernel }: Lock): string {
  const line = (entry: Readonly<Record<string, string | number>>): string =>
    `  - { ${Object.entries(entry)
      .map(([key, value]) => `${key}: ${typeof value === "number" ? value : JSON.stringify(value)}`)
      .join(", ")} }`;
  const list = (title: string, entries: readonly Readonly<Record<string, string | number>>[]): string[] =>
    entries.length === 0 ? [`${title}: []`] : [`${title}:`, ...entries.map(line)];
  const source = (title: string, from: LockedSource): string[] => [
    `${title}:`,
    `  inputs: ${JSON.stringify(from.inputs)}`,
    `  time: ${from.time}`,
    ...list("packages", from.packages.toSorted(byName)).map((text) => `  ${text}`),
  ];
  return [
    "# Written by `petrify build`; keep it in version control beside the recipe. `petrify build --update-lock` renews it.",
    `format: ${format}`,
    `inputs: ${JSON.stringify(inputs)}`,
    `time: ${time}`,
    ...list("packages", packages.toSorted(byName)),
    ...list("users", users.toSorted(byId)),
    ...list("groups", groups.toSorted(byId)),
    ...(kernel ? source("kernel", kernel) : []),
    "",
  ].join("\n");
}

const byName = (a: LockedPackage, b: LockedPackage): number =>
  a.name === b.name ? (a.arch < b.arch ? -1 : 1) : a.name < b.name ? -1 : 1;
const byId = (a: LockedId, b: LockedId): number => a.id - b.id || (a.name < b.name ? -1 : 1);
