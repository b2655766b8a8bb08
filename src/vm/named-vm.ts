/** What is kept of a virtual machine that has a name. Format: docs/formats/vm.md */
import { z } from "zod";
import { AppError } from "../core/error.ts";
import { MEDIUM_KINDS } from "./medium-disks.ts";
import type { Forward } from "./options.ts";

/** Files in the folder of a named VM. */
export const VM_FILES = {
  description: "vm.json",
  variables: "firmware-variables.fd",
  medium: "medium.iso",
  config: "config.raw",
  console: "console.log",
  supervisorLog: "supervisor.log",
  lock: "lock",
  /** Sockets; each is there while the machine runs. */
  control: "control",
  stream: "console",
} as const;

const FORMAT = 1;
/** A label of a host name, in lower case. Source: RFC 1123 2.1, RFC 1034 3.5 */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const port = z.int().min(1).max(65_535);
const schema = z.strictObject({
  format: z.literal(FORMAT),
  name: z.string().regex(NAME),
  /** What its disk was made of. */
  source: z.strictObject({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  /** What a system image said of itself. */
  image: z.strictObject({ name: z.string(), version: z.string() }).optional(),
  /** `size` in bytes, where it was asked for. */
  disk: z.strictObject({ format: z.enum(["raw", "qcow2"]), size: z.int().positive().optional() }),
  /** How it has the install medium that it was made of. */
  medium: z.enum(MEDIUM_KINDS).optional(),
  /** Of the machine config that it finds on a volume. */
  config: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
  firmware: z.enum(["bios", "uefi"]),
  /** Bytes. */
  memory: z.int().positive(),
  cpus: z.int().min(1).max(255),
  forwards: z.array(z.strictObject({ host: port, guest: port })).readonly(),
  online: z.boolean(),
});

/** A machine that has a name. */
export type NamedVm = Readonly<z.infer<typeof schema>>;

/** @throws AppError `VM_NAME_INVALID` */
export function requireVmName(name: string): void {
  if (NAME.test(name)) return;
  throw new AppError("VM_NAME_INVALID", `${JSON.stringify(name)} cannot be the name of a VM`, {
    hint: "Write it as a host name: small letters, digits and hyphens, at most 63, e.g. web-1.",
  });
}

/** Of its disk, in its folder. */
export const diskFile = ({ disk }: Pick<NamedVm, "disk">): string => `disk.${disk.format}`;

export const encodeNamedVm = (vm: NamedVm): string => `${JSON.stringify(vm, undefined, 2)}\n`;

/**
 * @param name of the folder that the text comes from
 * @throws AppError `VM_UNREADABLE`
 */
export function decodeNamedVm(name: string, text: string): NamedVm {
  const value = jsonOf(text);
  const format = (value as { readonly format?: unknown } | null | undefined)?.format;
  if (typeof format === "number" && format > FORMAT) {
    throw new AppError("VM_UNREADABLE", `the VM ${name} has format ${format}, and this petrify knows ${FORMAT}`, {
      hint: "Use the petrify that made it, or a newer one.",
    });
  }
  const { data, error } = schema.safeParse(value);
  if (data?.name === name) return data;
  const issue = error?.issues[0];
  const why = issue ? `${issue.path.join(".") || "it"}: ${issue.message}` : "it has another name";
  throw new AppError("VM_UNREADABLE", `${VM_FILES.description} of the VM ${name} is damaged (${why})`, {
    hint: `Its disk may be whole. Remove it with \`petrify vm delete ${name}\`.`,
    cause: error,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The names of what differs between two descriptions; where the source lies does not matter, but what is in it. */
export function differences(a: NamedVm, b: NamedVm): string[] {
  const ports = (forwards: readonly Forward[]): string =>
    forwards
      .map(({ host, guest }) => `${host}:${guest}`)
      .toSorted()
      .join(" ");
  const told = (vm: NamedVm): Readonly<Record<string, unknown>> => ({
    ...{
      image: vm.source.sha256,
      "--disk-size": vm.disk.size,
      "--medium": vm.medium,
      "--config": vm.config?.sha256,
      "--uefi": vm.firmware,
      "--memory": vm.memory,
      "--cpus": vm.cpus,
    },
    ...{ "--forward": ports(vm.forwards), "--online": vm.online },
  });
  const [one, other] = [told(a), told(b)];
  return Object.keys(one).filter((key) => one[key] !== other[key]);
}
