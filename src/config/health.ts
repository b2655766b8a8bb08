/** @portable The part of a recipe that says when a running image is healthy. docs/concepts/health.md */
import { z } from "zod";
import { BUILT_IN_CHECKS, CHECK_TIMEOUT, DEADLINE, ON_FAILURE, type CheckSpec, type HealthPlan } from "../layout/health-plan.ts";
import * as words from "./words.ts";

const KINDS = ["unit", "http", "tcp", "command"] as const;

export const Check = z
  .strictObject({
    unit: words.UnitName.optional().describe("A unit that has to be active; of OpenRC the service of that name"),
    http: words.HttpUrl.optional().describe("A URL that has to answer; redirects are not followed"),
    status: z
      .array(z.int("must be 100 … 599").min(100, "must be 100 … 599").max(599, "must be 100 … 599"))
      .min(1, "must name at least one status")
      .max(500)
      .optional()
      .describe("With `http`: the status codes that are healthy; default: 200 to 299"),
    tcp: words.TcpAddress.optional().describe("A host:port that has to take connections; [::1]:22 for IPv6"),
    command: words.Command.optional().describe(
      "A program, as a full path, and its arguments, which has to exit with status 0; never a shell",
    ),
    name: words.CheckName.optional().describe("What the check is called in reports; default: made from the check"),
    timeout: words
      .Duration({ min: CHECK_TIMEOUT.min, max: CHECK_TIMEOUT.max })
      .prefault(`${CHECK_TIMEOUT.default}s`)
      .describe("How long the check may take: 1s … 5min"),
  })
  .superRefine((check, context) => {
    const given = KINDS.filter((kind) => check[kind] !== undefined);
    if (given.length !== 1) {
      const found = given.length === 0 ? "none of them" : given.join(" and ");
      context.addIssue({ code: "custom", message: `must have exactly one of ${KINDS.join(", ")}; has ${found}` });
    }
    if (check.status && check.http === undefined) {
      context.addIssue({ code: "custom", path: ["status"], message: "is only for a check with http" });
    }
  });

export const Health = z
  .strictObject({
    deadline: words
      .Duration({ min: DEADLINE.min, max: DEADLINE.max })
      .prefault("5min")
      .describe("Until when a boot has to be healthy, from the kernel's start: 5s … 24h"),
    onFailure: z
      .enum(ON_FAILURE)
      .default("alarm")
      .describe("What follows when a proven image is unhealthy; reboot: at most once a day. One on trial is always restarted"),
    failedUnits: z
      .boolean()
      .default(true)
      .describe("Whether a unit that failed, and had not on the last proven boot, is unhealthy"),
    checks: z
      .array(Check)
      .max(200)
      .default([])
      .describe("Further checks; each has exactly one of `unit`, `http`, `tcp`, `command`"),
  })
  .superRefine(({ checks }, context) => {
    const names = checks.map(nameOf);
    for (const [index, name] of names.entries()) {
      const message = (BUILT_IN_CHECKS as readonly string[]).includes(name)
        ? `${name} is a check of every image`
        : names.indexOf(name) < index && `check ${name} is there twice: give one of them another name`;
      const path = ["checks", index, ...(checks[index]?.name === undefined ? [] : ["name"])];
      if (message) context.addIssue({ code: "custom", path, message });
    }
  });

type Health = z.output<typeof Health>;
export type Check = Health["checks"][number];

/** What the image's file says: docs/formats/health-plan.md. */
export const healthPlan = ({ deadline, onFailure, failedUnits, checks }: Health): HealthPlan => ({
  ...{ deadlineSeconds: deadline, onFailure, failedUnits },
  checks: checks.map(checkSpec),
});

export function checkSpec(check: Check): CheckSpec {
  const { unit, http, status, tcp, command, timeout } = check;
  const common = { name: nameOf(check), timeoutSeconds: timeout };
  if (unit !== undefined) return { ...common, kind: "unit", unit };
  if (http !== undefined) return { ...common, kind: "http", url: http, ...(status && { status }) };
  if (tcp) return { ...common, kind: "tcp", ...tcp };
  return { ...common, kind: "command", argv: command! };
}

function nameOf({ name, unit, http, tcp, command }: Check): string {
  if (name !== undefined) return name;
  const address = tcp && `${tcp.host.includes(":") ? `[${tcp.host}]` : tcp.host}:${tcp.port}`;
  return unit ?? http ?? address ?? command?.join(" ") ?? "";
}
