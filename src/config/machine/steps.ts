/** @portable `stages`: steps in the manner of yip. docs/concepts/cloud-init.md */
import { z } from "zod";
import { AbsolutePath } from "../words.ts";
import { Layout } from "./disks.ts";
import { entityLine } from "./entities.ts";
import { configuredFile, type Unpack } from "./file-content.ts";
import { Download, ownerOf, StepFile, StepFolder } from "./files.ts";
import type { NtpConfig } from "./node-config.ts";
import { STAGE_NAMES, usualStepName, type StageName, type Step } from "./stages.ts";
import { configuredUser, optional, SshKeys, UsersByName } from "./users.ts";
import { noTwice } from "./no-twice.ts";
import * as words from "./words.ts";
import { UnitName, UserName } from "../words.ts";

const paths = z.array(AbsolutePath).max(1000);
const Files = z.union([
  paths.transform((all) => ({ all, any: [] as string[], none: [] as string[] })),
  z.strictObject({
    all: paths.default([]).describe("Each exists"),
    any: paths.default([]).describe("At least one exists"),
    none: paths.default([]).describe("None exists"),
  }),
]);
const Pattern = z.string().max(1000).refine(isPattern, "must be a regular expression");
const units = z.array(UnitName).max(1000).default([]);
const Systemctl = z.strictObject({
  enable: units.describe("Started at boot from now on"),
  disable: units.describe("Not started at boot"),
  start: units.describe("Started now"),
  stop: units.describe("Stopped now"),
  restart: units.describe("Started anew"),
  mask: units.describe("Cannot be started"),
});
const Dns = z.strictObject({
  nameservers: z.array(words.Host).max(20).default([]).describe("Addresses of name servers"),
  search: z.array(words.Host).max(50).default([]).describe("Domains that are searched"),
  options: z.array(words.Line).max(50).default([]).describe("Options of resolv.conf(5)"),
});
const Timesyncd = z.strictObject({
  NTP: words.Line.optional().describe("Servers, with spaces between them"),
  FallbackNTP: words.Line.optional().describe("Servers where no other is known"),
});
const StepDocument = z
  .strictObject({
    name: words.Line.min(1, "must not be empty")
      .max(200)
      .optional()
      .describe("What it is called in reports, by `after`, and by later documents; default: STAGE.N"),
    if: words.Text.max(100_000).optional().describe("A line for /bin/sh -c; the step is passed over unless it ends with 0"),
    if_files: Files.optional().describe("Files that have to be there"),
    only_os: Pattern.optional().describe("Regular expression of the ID of os-release"),
    only_os_version: Pattern.optional().describe("Regular expression of the VERSION_ID of os-release"),
    only_arch: Pattern.optional().describe("Regular expression of the machine as uname has it"),
    only_service_manager: z.enum(["systemd", "openrc"]).optional().describe("The image's init"),
    after: z
      .array(
        z.union([
          words.Line.transform((name) => ({ name })),
          z.strictObject({ name: words.Line.describe("Of a step of this stage") }),
        ]),
      )
      .max(100)
      .default([])
      .describe("Steps of the same stage that come before it"),
    on_error: z
      .enum(["fail", "continue"])
      .default("fail")
      .describe("fail: the steps after it in this stage are not run, and what waits for the stage is refused"),
    commands: z.array(words.CommandLine).max(2000).default([]).describe("Lines for /bin/sh -c, or programs with their arguments"),
    files: z.array(StepFile).max(2000).default([]).describe("Files"),
    directories: z.array(StepFolder).max(2000).default([]).describe("Folders"),
    users: UsersByName.default({}).describe("Users by their name; keys as of `users`"),
    authorized_keys: z.record(UserName, SshKeys).default({}).describe("Public keys by the user that may log in with them"),
    ensure_entities: z
      .array(
        z.strictObject({
          path: AbsolutePath.optional().describe("Accepted for yip's sake: it is the file of the kind"),
          entity: z
            .string()
            .meta({ ...words.secret, description: "A YAML text of yip's: kind user, group, shadow or gshadow, and its fields" })
            .transform(entityLine),
        }),
      )
      .max(1000)
      .default([])
      .describe("Lines of passwd, group and shadow"),
    hostname: words.HostName.optional().describe("Host name"),
    sysctl: z.record(words.SysctlName, words.PlainValue).default({}).describe("Kernel parameters"),
    systemctl: Systemctl.prefault({}).describe("What is done with units"),
    modules: z.array(words.ModuleName).max(1000).default([]).describe("Kernel modules that are loaded"),
    dns: Dns.optional().describe("Name servers"),
    environment: z.record(words.VariableName, words.SecretValue).default({}).describe("Variables"),
    environment_file: AbsolutePath.optional().describe("Where they go; default: /etc/environment"),
    downloads: z.array(Download).max(1000).default([]).describe("Files from elsewhere"),
    timesyncd: Timesyncd.optional().describe("Time servers"),
    layout: Layout.optional().describe("Partitions that a disk gets, besides those it has"),
  })
  // Said once in the JSON Schema.
  .meta({ id: "Step" });
type StepFields = z.output<typeof StepDocument>;

const steps = z
  .array(StepDocument)
  .max(2000)
  .superRefine(noTwice(["name"]))
  .optional()
  .describe("Steps of that stage");
const shape = Object.fromEntries(STAGE_NAMES.map((name) => [name, steps])) as Record<StageName, typeof steps>;
export const Stages = z.strictObject(shape);

/** @param stage and place of the step: its name where it has none */
export function stepOf(stage: StageName, index: number, fields: StepFields, unpack: Unpack): Step {
  const files = fields.if_files ?? { all: [], any: [], none: [] };
  return {
    name: fields.name ?? usualStepName(stage, index),
    conditions: {
      ...optional("command", fields.if),
      files: files.all,
      anyFile: files.any,
      noFiles: files.none,
      ...optional("os", fields.only_os),
      ...optional("osVersion", fields.only_os_version),
      ...optional("architecture", fields.only_arch),
      ...optional("serviceManager", fields.only_service_manager),
    },
    after: fields.after.map(({ name }) => name),
    onError: fields.on_error,
    commands: fields.commands,
    files: fields.files.map((file, at) =>
      configuredFile({ ...file, owner: ownerOf(file) }, ["stages", stage, index, "files", at], unpack),
    ),
    directories: fields.directories.map((folder) => ({
      path: folder.path,
      mode: folder.permissions ?? 0o755,
      owner: ownerOf(folder),
    })),
    users: Object.entries(fields.users).map(([name, user]) => configuredUser(name, user)),
    groups: [],
    authorizedKeys: fields.authorized_keys,
    entities: fields.ensure_entities.map(({ entity }) => entity),
    ...optional("hostname", fields.hostname),
    sysctl: fields.sysctl,
    systemctl: fields.systemctl,
    modules: fields.modules.map((name) => ({ name, blacklist: false })),
    ...optional("dns", fields.dns),
    environment: fields.environment,
    ...optional("environmentFile", fields.environment_file),
    downloads: fields.downloads.map((one) => ({
      path: one.path,
      url: one.url,
      ...optional("sha256", one.sha256),
      mode: one.permissions ?? 0o644,
      owner: ownerOf(one),
    })),
    ...optional("timesyncd", fields.timesyncd && timesyncd(fields.timesyncd)),
    ...optional("layout", fields.layout),
  };
}

const wordsOf = (text: string | undefined): string[] => text?.split(/\s+/).filter(Boolean) ?? [];
const timesyncd = ({ NTP, FallbackNTP }: z.output<typeof Timesyncd>): NtpConfig => ({
  enabled: true,
  servers: wordsOf(NTP),
  pools: wordsOf(FallbackNTP),
});

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
