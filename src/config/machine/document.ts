/** @portable The machine config: what makes a node this node. One schema is the source of checks, docs/machine-config.md and schemas/machine-config.json. */
import { z } from "zod";
import { AFTER_INSTALL } from "../../layout/install.ts";
import { parseDiskName } from "../../layout/choose-disk.ts";
import { JOIN_TOKEN } from "../../layout/join-token.ts";
import { kernelArgProblem, kernelArgsProblem } from "../../layout/kernel-args.ts";
import { NetworkKeys } from "../network/netplan.ts";
import type { JsonSchema } from "../recipe.ts";
import { whyNotPersistent } from "../persistent-path.ts";
import { AbsolutePath, UserName } from "../words.ts";
import { DiskSetups, FileSystemSetup, Mount } from "./disks.ts";
import { File } from "./files.ts";
import { noTwice } from "./no-twice.ts";
import { Container, Health, Unit } from "./services.ts";
import { Stages } from "./steps.ts";
import { Updates } from "./updates.ts";
import { DefaultUser, Groups, SshKeys, Users } from "./users.ts";
import * as words from "./words.ts";

const commands = z
  .array(z.union([words.CommandLine, z.null()]))
  .max(5000)
  .transform((all) => all.filter((one) => one !== null));
const hosts = z.array(words.Host).max(100).default([]);

const Ntp = z.union([
  z.null().transform(() => ({ enabled: true, servers: [] as string[], pools: [] as string[] })),
  z.strictObject({
    enabled: z.boolean().default(true).describe("Whether the clock is set from the network"),
    servers: hosts.describe("Servers, by name or address"),
    pools: hosts.describe("Names that stand for several servers"),
  }),
]);

const PEM = /^\s*(?:-----BEGIN (?:TRUSTED )?CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+-----END (?:TRUSTED )?CERTIFICATE-----\s*)+$/;
const Certificates = z.strictObject({
  remove_defaults: z.boolean().default(false).describe("Trust none of the image's"),
  trusted: z
    .union([z.array(z.string()).max(500), z.string().transform((one) => [one])])
    .pipe(z.array(z.string().regex(PEM, "must be a certificate in PEM: -----BEGIN CERTIFICATE-----")))
    .default([])
    .describe("Certificates of authorities, PEM"),
});

const Password = z.strictObject({
  name: UserName.describe("Login name"),
  password: words.PasswordHash.describe("Hash as `mkpasswd` prints it"),
  type: z.literal("hash").default("hash").describe("What `password` is"),
});
const Chpasswd = z.strictObject({
  expire: z
    .literal(false)
    .default(false)
    .describe("A password that is changed on the machine is as before at its next boot, so none expires"),
  users: z
    .array(Password)
    .max(1000)
    .superRefine(noTwice(["name"]))
    .default([])
    .describe("Passwords by user"),
});

const proxyUrl = words.Url.optional();
const Proxy = z.strictObject({
  http: proxyUrl.meta({ ...words.secret, description: "For http" }),
  https: proxyUrl.meta({ ...words.secret, description: "For https" }),
  no_proxy: words.commaList(words.Line).default([]).describe("Hosts and domains that are reached without it"),
});

const Growpart = z.strictObject({
  mode: z
    .union([z.enum(["auto", "growpart", "off"]), z.literal(false)])
    .default("auto")
    .describe("auto: the data partition grows to the end of the disk; off: it stays"),
  devices: z.array(z.literal("/")).max(1).default(["/"]).describe("The system's own disk; others: `disk_setup`"),
  ignore_growroot_disabled: z.boolean().default(false).describe("Without effect"),
});

const Keyboard = z.strictObject({
  layout: words.Line.regex(/^[A-Za-z0-9,_-]{1,60}$/, "must be a layout of xkeyboard-config, such as de").describe(
    "Layout, such as de",
  ),
  model: words.Line.regex(/^[A-Za-z0-9,_-]{1,60}$/, "must be a model of xkeyboard-config")
    .optional()
    .describe("Model; default: pc105"),
  variant: words.Line.regex(/^[A-Za-z0-9,_-]{0,60}$/, "must be a variant of xkeyboard-config")
    .optional()
    .describe("Variant, such as nodeadkeys"),
  options: words.Line.regex(/^[A-Za-z0-9,:_-]{0,200}$/, "must be options of xkeyboard-config")
    .optional()
    .describe("Options, such as compose:menu"),
});

const Module = z.union([
  words.ModuleName.transform((name): { name: string; options?: string | undefined; blacklist: boolean } => ({
    name,
    blacklist: false,
  })),
  z.strictObject({
    name: words.ModuleName.describe("Its name"),
    options: words.Line.optional().describe("Its parameters: debug=1"),
    blacklist: z.boolean().default(false).describe("It is never loaded by itself"),
  }),
]);

/** One word of the kernel command line; it also has to survive GRUB's script. */
const KernelArg = z.string().superRefine((word, context) => {
  const message = kernelArgProblem(word);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});
const Kernel = z.strictObject({
  args: z
    .union([
      z
        .array(KernelArg)
        .max(200)
        .transform((append) => ({ append, remove: [] as string[] })),
      z.strictObject({
        append: z.array(KernelArg).max(200).default([]).describe("Words that are added"),
        remove: z.array(KernelArg).max(200).default([]).describe("Words of the image that are left out"),
      }),
    ])
    .superRefine((args, context) => {
      const message = kernelArgsProblem(args);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    })
    .optional()
    .describe("Words of the kernel command line; a change is a boot on trial"),
});

const Install = z.strictObject({
  device: z
    .string()
    .transform((name) => name.trim())
    .pipe(
      z.string().min(1, "must be the name of a disk").refine(isDiskName, "must name a disk: a path, serial:…, size:… or auto"),
    )
    .optional()
    .describe("The disk to install to: a path, serial:…, size:…, auto; docs/concepts/installer.md"),
  wipe: z.boolean().optional().describe("Whether a disk that holds data may be overwritten; default: false"),
  after: z.enum(AFTER_INSTALL).optional().describe("What follows; default: reboot"),
});

const Api = z.strictObject({
  authority: z
    .string()
    .regex(
      /^(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9][A-Za-z0-9._-]{0,252})(?::\d{1,5})?$/,
      "must be HOST or HOST:PORT; an IPv6 address in brackets",
    )
    .describe("Where `petrify ca serve` signs for the machine's authority: HOST, HOST:PORT; it renews its certificate there"),
  join: z
    .string()
    .regex(JOIN_TOKEN, "must be a token of `petrify ca token create`")
    .meta({ ...words.secret, description: "Token by which a machine that nobody owns becomes the authority's" })
    .optional(),
});

const ConfigUrl = z.union([
  words.Url.transform((url): { url: string; sha256?: string | undefined; headers?: Record<string, string> | undefined } => ({
    url,
  })),
  z.strictObject({
    url: words.Url.describe("http or https"),
    sha256: words.Sha256.optional().describe("What comes must have it"),
    headers: words.Headers.optional().describe("Header fields of the request"),
  }),
]);

export const MachineDocument = z
  .strictObject({
    hostname: words.HostName.optional().describe("Host name; default: the image's"),
    fqdn: words.DomainName.optional().describe(
      "Full name of the host; its first part is the host name where `hostname` is not given",
    ),
    prefer_fqdn_over_hostname: z.boolean().optional().describe("The host name is the full one; default: false"),
    manage_etc_hosts: z
      .union([z.boolean(), z.literal("localhost")])
      .optional()
      .describe("Whether /etc/hosts has the host's own name; default: true"),
    user: DefaultUser.optional().describe(
      "The default user: `ssh_authorized_keys` and `password` are its; a name, or keys as of `users`",
    ),
    users: Users.optional().describe("Users: names or mappings"),
    groups: Groups.optional().describe("Groups and their members: names, or mappings of a name to a list of users"),
    ssh_authorized_keys: SshKeys.optional().describe("Public keys that may log in as the default user"),
    ssh_pwauth: z
      .union([z.boolean(), z.enum(["yes", "no", "unchanged"])])
      .optional()
      .describe("Whether the SSH server takes passwords; default: as the image has it"),
    disable_root: z.boolean().optional().describe("Whether root is kept from logging in over SSH; default: as the image has it"),
    password: words.PasswordHash.optional().describe("Hash of the default user's password; `user` names it"),
    chpasswd: Chpasswd.optional().describe("Hashes of passwords"),
    write_files: z
      .array(File)
      .max(10_000)
      .superRefine(noTwice(["path"], (file) => !("append" in file && file.append === true)))
      .optional()
      .describe("Files"),
    bootcmd: commands.optional().describe("Commands of each boot, early: lines for /bin/sh -c, or programs with their arguments"),
    runcmd: commands.optional().describe("Commands that are run once per instance, after the network is up"),
    ntp: Ntp.optional().describe("Time servers"),
    timezone: z
      .string()
      .regex(/^[A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+){0,2}$/, "must be a name of the time zone database, such as Europe/Berlin")
      .optional()
      .describe("Time zone: Europe/Berlin"),
    locale: z
      .union([z.string().regex(/^[A-Za-z][A-Za-z0-9_.@-]{0,40}$/, "must be a locale, such as en_GB.UTF-8"), z.literal(false)])
      .optional()
      .describe("Language and customs: en_GB.UTF-8"),
    keyboard: Keyboard.optional().describe("Keyboard of the console"),
    network: NetworkKeys.optional().describe("Network, as netplan has it, version 2; its keys: docs/concepts/network.md"),
    ca_certs: Certificates.optional().describe("Authorities that are trusted"),
    proxy: Proxy.optional().describe("Proxy of every service and login"),
    sysctl: z.record(words.SysctlName, words.PlainValue).optional().describe("Kernel parameters: `net.ipv4.ip_forward: 1`"),
    modules: z
      .array(Module)
      .max(1000)
      .superRefine(noTwice(["name"]))
      .optional()
      .describe("Kernel modules that are loaded at boot: names or mappings"),
    environment: z.record(words.VariableName, words.SecretValue).optional().describe("Variables of every service and login"),
    units: z
      .array(Unit)
      .max(2000)
      .superRefine(noTwice(["name"]))
      .optional()
      .describe("Units of systemd, services of OpenRC"),
    containers: z
      .array(Container)
      .max(1000)
      .superRefine(noTwice(["name"]))
      .optional()
      .describe("Services whose program comes from an OCI image, where the image has podman"),
    growpart: Growpart.optional().describe("The data partition at the first boot"),
    disk_setup: DiskSetups.optional().describe("Partitions of further disks, by device; never the system's own"),
    fs_setup: z
      .array(FileSystemSetup)
      .max(100)
      .superRefine(noTwice(["device", "partition"]))
      .optional()
      .describe("File systems on further disks"),
    mounts: z
      .array(Mount)
      .max(1000)
      .superRefine(noTwice([1]))
      .optional()
      .describe("What is mounted where: the fields of fstab(5), in lists"),
    persist: z
      .array(
        AbsolutePath.superRefine((path, context) => {
          const reason = whyNotPersistent(path);
          if (reason) context.addIssue({ code: "custom", message: `cannot be persistent: ${path} ${reason}` });
        }),
      )
      .max(1000)
      .optional()
      .describe("Folders that keep what is written to them, besides the image's"),
    health: Health.optional().describe("When a boot is good, besides what the image says"),
    kernel: Kernel.optional().describe("The kernel"),
    install: Install.optional().describe("What an installer does by itself"),
    api: Api.optional().describe("The API of the machine: who signs for its authority"),
    updates: Updates.optional().describe("How the machine keeps itself current; docs/concepts/updates.md"),
    drift: z
      .enum(["report", "mend", "off"])
      .optional()
      .describe("What follows when the machine is no longer as the config says; default: report"),
    stages: Stages.optional().describe("Steps in the manner of yip, by stage"),
    config_url: ConfigUrl.optional().describe("A further machine config, read after this one: a URL, or a mapping"),
  })
  .meta({ title: "petrify machine config", description: "What makes a machine this one; a #cloud-config" });

/** Checked, every form of a value made the one. */
export type MachineDocument = z.output<typeof MachineDocument>;

let schema: JsonSchema | undefined;
/** Written to schemas/machine-config.json by `npm run generate`. Draft 7, which every editor's YAML support reads. */
export const machineConfigJsonSchema = (): JsonSchema =>
  (schema ??= z.toJSONSchema(MachineDocument, { target: "draft-7", io: "input" }) as JsonSchema);

function isDiskName(name: string): boolean {
  try {
    parseDiskName(name);
    return true;
  } catch {
    return false;
  }
}
