/** @portable What runs on a machine: units, containers, health checks. */
import { z } from "zod";
import { Check } from "../health.ts";
import { BUILT_IN_CHECKS, DEADLINE, ON_FAILURE } from "../../layout/health-plan.ts";
import { Duration, UnitName } from "../words.ts";
import { noTwice } from "./no-twice.ts";
import * as words from "./words.ts";

const DropIn = z.strictObject({
  name: words.DropInName.describe("File name, with .conf at its end"),
  content: words.Text.describe("Lines of systemd.unit(5)"),
});

export const Unit = z.strictObject({
  name: UnitName.describe("Full name of a systemd unit; of an OpenRC service with or without .service"),
  content: words.Text.optional().describe("The unit's file; default: the image's"),
  enable: z.boolean().optional().describe("Whether it starts at boot; default: as the image has it"),
  mask: z.boolean().optional().describe("That it cannot be started at all; systemd only"),
  drop_ins: z
    .array(DropIn)
    .max(100)
    .superRefine(noTwice(["name"]))
    .default([])
    .describe("Lines that change a unit"),
});

const NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
export const Container = z.strictObject({
  name: z
    .string()
    .regex(NAME, "must be lower-case letters, digits, -, _ and dots, at most 63")
    .describe("Its service is NAME.service"),
  image: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,500}$/, "must be the reference of an image: registry.example/app:1.2")
    .describe("Reference of an OCI image; best with its digest"),
  command: z.array(words.Text.max(10_000)).max(1000).optional().describe("Arguments, in place of the image's own"),
  environment: z.record(words.VariableName, words.SecretValue).default({}).describe("Variables"),
  ports: z
    .array(
      z
        .string()
        .regex(
          /^(?:(?:\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?:\d{1,5}(?:-\d{1,5})?)?:?\d{1,5}(?:-\d{1,5})?(?:\/(?:tcp|udp|sctp))?$/,
          "must be [address:]port:port[/udp]",
        ),
    )
    .max(1000)
    .default([])
    .describe("Published ports: 8080:80, 127.0.0.1:53:53/udp"),
  volumes: z
    .array(
      z.string().regex(/^[A-Za-z0-9/._-]{1,500}:\/[^\s:]{0,500}(?::[A-Za-z0-9,=-]{1,100})?$/, "must be /host/path:/path[:ro]"),
    )
    .max(1000)
    .default([])
    .describe("Folders of the machine: /srv/data:/data:ro"),
  network: words.Line.optional().describe("host, none, or the name of a network; default: one of its own"),
  restart: z.enum(["always", "on-failure", "no"]).default("always").describe("What follows when it ends"),
  read_only: z.boolean().default(false).describe("Its root cannot be written to"),
  user: words.Line.optional().describe("Name or number of the user within; default: the image's"),
  quadlet: z
    .record(
      z.string().regex(/^[A-Z][A-Za-z]{0,40}$/, "must be the name of a section, such as Container"),
      z.array(words.Line).max(200),
    )
    .default({})
    .describe("Further lines of podman-systemd.unit(5), by section"),
});

export const Health = z
  .strictObject({
    deadline: Duration({ min: DEADLINE.min, max: DEADLINE.max })
      .optional()
      .describe("Until when a boot has to be healthy, from the kernel's start: 5s … 24h; default: the image's"),
    on_failure: z.enum(ON_FAILURE).optional().describe("What follows when a proven image is unhealthy; default: the image's"),
    failed_units: z
      .boolean()
      .optional()
      .describe("Whether a unit that failed, and had not on the last proven boot, is unhealthy; default: the image's"),
    checks: z
      .array(Check)
      .max(200)
      .default([])
      .describe(
        "Besides the image's; one of the same name takes its place. Each has exactly one of `unit`, `http`, `tcp`, `command`",
      ),
  })
  .superRefine(({ checks }, context) => {
    for (const [index, { name }] of checks.entries()) {
      if (name === undefined || !(BUILT_IN_CHECKS as readonly string[]).includes(name)) continue;
      context.addIssue({ code: "custom", path: ["checks", index, "name"], message: `${name} is a check of every image` });
    }
  });
