/** @portable How an image finds out whether it is healthy: `/usr/lib/petrify/health.json`. docs/formats/health-plan.md */

export const HEALTH_PLAN_PATH = "/usr/lib/petrify/health.json";
const FORMAT = 1;

/** Seconds, each with the range that counts. */
export const DEADLINE = { default: 300, min: 5, max: 86_400 } as const;
export const CHECK_TIMEOUT = { default: 10, min: 1, max: 300 } as const;

/** The checks that every image has besides its own; no other check has one of these names. */
export const BUILT_IN_CHECKS = ["boot", "mounts", "failed-units"] as const;

export const ON_FAILURE = ["alarm", "reboot"] as const;
/** What follows when a proven slot is unhealthy; `reboot` at most once a day. A slot on trial is always restarted. */
export type OnFailure = (typeof ON_FAILURE)[number];

/** Said before a machine is restarted because of its health; whoever looks for the log of that boot knows it by that. */
export const RESTARTS = " is not healthy, and restarts: ";

export interface HealthPlan {
  /** Until when a boot has to be healthy, in seconds since the kernel's start. */
  readonly deadlineSeconds: number;
  readonly onFailure: OnFailure;
  /** Whether a unit that has newly failed is unhealthy. */
  readonly failedUnits: boolean;
  readonly checks: readonly CheckSpec[];
}

export type CheckSpec = {
  readonly name: string;
  readonly timeoutSeconds: number;
} & (
  | { readonly kind: "unit"; readonly unit: string }
  /** @property status those that are healthy; default 200 … 299 */
  | { readonly kind: "http"; readonly url: string; readonly status?: readonly number[] }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** @property argv an absolute program and its arguments */
  | { readonly kind: "command"; readonly argv: readonly [string, ...string[]] }
  /** Of a newer build, or damaged: cannot be run. */
  | { readonly kind: "unknown" }
);

export const DEFAULT_HEALTH_PLAN: HealthPlan = {
  deadlineSeconds: DEADLINE.default,
  onFailure: "alarm",
  failedUnits: true,
  checks: [],
};

/** The file's text. */
export const encodeHealthPlan = ({ deadlineSeconds, onFailure, failedUnits, checks }: HealthPlan): string =>
  `${JSON.stringify({ format: FORMAT, deadlineSeconds, onFailure, failedUnits, checks })}\n`;

export interface FoundHealthPlan {
  readonly plan: HealthPlan;
  /** What could not be understood, a sentence each; empty when all was. */
  readonly notes: readonly string[];
}

/**
 * Reads the file. Never throws: what is missing or makes no sense is as in {@link DEFAULT_HEALTH_PLAN}, and a note says so, because an agent
 * that refuses to start would help nobody. Keys that are not known are passed over: a newer image may say more.
 *
 * @param text `undefined` when there is no such file
 */
export function parseHealthPlan(text: string | undefined): FoundHealthPlan {
  if (text === undefined) return unusable("is missing");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unusable("is not JSON");
  }
  if (!isObject(value)) return unusable("is not an object");
  if (value["format"] !== FORMAT) return unusable(`has format ${JSON.stringify(value["format"])}, not ${FORMAT}`);
  const notes: string[] = [];
  const pick = <T>(key: keyof HealthPlan, known: (item: unknown) => T | undefined, instead: T): T => {
    const found = known(value[key]);
    if (found === undefined) notes.push(`${HEALTH_PLAN_PATH}: ${key} cannot be used; it is ${JSON.stringify(instead)} instead`);
    return found ?? instead;
  };
  const plan: HealthPlan = {
    deadlineSeconds: pick("deadlineSeconds", (item) => seconds(item, DEADLINE), DEADLINE.default),
    onFailure: pick("onFailure", (item) => ON_FAILURE.find((known) => known === item), DEFAULT_HEALTH_PLAN.onFailure),
    failedUnits: pick("failedUnits", (item) => (typeof item === "boolean" ? item : undefined), DEFAULT_HEALTH_PLAN.failedUnits),
    checks: pick("checks", (item) => (Array.isArray(item) ? item : undefined), []).map(checkSpec),
  };
  for (const check of plan.checks) {
    if (check.kind === "unknown") notes.push(`${HEALTH_PLAN_PATH}: the check ${check.name} is not understood; it is not run`);
  }
  return { plan, notes };
}

const unusable = (why: string): FoundHealthPlan => ({
  plan: DEFAULT_HEALTH_PLAN,
  notes: [`${HEALTH_PLAN_PATH} ${why}: only the checks of every image are run`],
});

function checkSpec(value: unknown, index: number): CheckSpec {
  const spec = isObject(value) ? value : {};
  const name = text(spec["name"]) ?? `number ${index + 1}`;
  const timeoutSeconds = seconds(spec["timeoutSeconds"], CHECK_TIMEOUT) ?? CHECK_TIMEOUT.default;
  return { name, timeoutSeconds, ...(kindOf(spec) ?? { kind: "unknown" }) };
}

type OfKind<T = CheckSpec> = T extends CheckSpec ? Omit<T, "name" | "timeoutSeconds"> : never;

function kindOf(spec: Readonly<Record<string, unknown>>): OfKind | undefined {
  const { kind, status, port } = spec;
  if (kind === "unit") {
    const unit = text(spec["unit"]);
    return unit ? { kind, unit } : undefined;
  }
  if (kind === "http") {
    const url = text(spec["url"]);
    if (!url || !(status === undefined || isListOf(status, isStatus))) return undefined;
    return { kind, url, ...(status && { status }) };
  }
  if (kind === "tcp") {
    const host = text(spec["host"]);
    return host && isPort(port) ? { kind, host, port } : undefined;
  }
  if (kind === "command") {
    const { argv } = spec;
    const [program, ...rest] = isListOf(argv, isArgument) ? argv : [];
    return program?.startsWith("/") ? { kind, argv: [program, ...rest] } : undefined;
  }
  return undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf = <T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] =>
  Array.isArray(value) && value.length > 0 && value.every(isItem);
const isWhole = (value: unknown, min: number, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
const isArgument = (value: unknown): value is string => typeof value === "string" && !value.includes("\0");
const isStatus = (value: unknown): value is number => isWhole(value, 100, 599);
const isPort = (value: unknown): value is number => isWhole(value, 1, 65_535);
const seconds = (value: unknown, { min, max }: { min: number; max: number }): number | undefined =>
  isWhole(value, min, max) ? value : undefined;
const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
