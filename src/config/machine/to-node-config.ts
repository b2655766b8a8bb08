/** @portable From the checked document to what is compiled for an image. */
import { checkSpec } from "../health.ts";
import type { MachineDocument } from "./document.ts";
import { configuredFile, type Unpack } from "./file-content.ts";
import type { ConfiguredUser, NodeConfig } from "./node-config.ts";
import { STAGE_NAMES } from "./stages.ts";
import { stepOf } from "./steps.ts";
import { updatesOf } from "./updates.ts";
import { configuredGroups, configuredUser, optional } from "./users.ts";

const DRIFT = "report";

/** @throws what `unpack` throws */
export function nodeConfigOf(document: MachineDocument, unpack: Unpack): NodeConfig {
  const { fqdn, user, health, kernel, install = {}, api, updates } = document;
  const hostname = document.hostname ?? fqdn?.split(".")[0];
  return {
    ...optional("hostname", document.prefer_fqdn_over_hostname ? (fqdn ?? hostname) : hostname),
    ...optional("fqdn", fqdn),
    ...optional("manageEtcHosts", document.manage_etc_hosts === undefined ? undefined : document.manage_etc_hosts !== false),
    users: usersOf(document),
    groups: configuredGroups(document.groups ?? {}),
    ...optional("defaultUser", user?.name),
    authorizedKeys: document.ssh_authorized_keys ?? [],
    ...optional("sshPasswords", sshPasswords(document.ssh_pwauth)),
    ...optional("sshRoot", document.disable_root === undefined ? undefined : !document.disable_root),
    files: (document.write_files ?? []).map((file, index) => configuredFile(file, ["write_files", index], unpack)),
    bootCommands: document.bootcmd ?? [],
    runCommands: document.runcmd ?? [],
    ...optional("ntp", document.ntp),
    ...optional("timezone", document.timezone),
    ...optional("locale", document.locale === false ? undefined : document.locale),
    ...optional("keyboard", document.keyboard && known(document.keyboard)),
    ...optional("network", document.network),
    ...optional(
      "certificates",
      document.ca_certs && { removeDefaults: document.ca_certs.remove_defaults, trusted: document.ca_certs.trusted },
    ),
    ...optional(
      "proxy",
      document.proxy && {
        ...optional("http", document.proxy.http),
        ...optional("https", document.proxy.https),
        none: document.proxy.no_proxy,
      },
    ),
    sysctl: document.sysctl ?? {},
    modules: (document.modules ?? []).map(known),
    environment: document.environment ?? {},
    units: (document.units ?? []).map((unit) => ({
      name: unit.name,
      ...optional("content", unit.content),
      dropIns: unit.drop_ins,
      ...optional("enabled", unit.enable),
      ...optional("masked", unit.mask),
    })),
    containers: (document.containers ?? []).map(({ read_only: readOnly, command = [], network, user: inner, ...rest }) => ({
      ...rest,
      command,
      readOnly,
      ...optional("network", network),
      ...optional("user", inner),
    })),
    ...optional("grow", document.growpart && document.growpart.mode !== "off" && document.growpart.mode !== false),
    disks: Object.entries(document.disk_setup ?? {}).map(([device, { table_type: table, layout, overwrite }]) => ({
      device,
      table,
      partitions: layout === true ? [100] : layout === false ? [] : layout,
      overwrite,
    })),
    fileSystems: (document.fs_setup ?? []).map(({ device, partition, filesystem: type, label, overwrite }) => ({
      ...{ device, partition, type, overwrite },
      ...optional("label", label),
    })),
    mounts: (document.mounts ?? []).map(([what, where, type = "auto", options = "defaults,nofail", _dump, pass = "2"]) => ({
      ...{ what, where, type, options },
      pass: Number(pass) || 0,
    })),
    persistent: document.persist ?? [],
    ...optional(
      "health",
      health && {
        ...optional("deadlineSeconds", health.deadline),
        ...optional("onFailure", health.on_failure),
        ...optional("failedUnits", health.failed_units),
        checks: health.checks.map(checkSpec),
      },
    ),
    ...optional("kernelArgs", kernel?.args),
    install: known(install),
    ...optional("api", api && known(api)),
    ...optional("updates", updates && updatesOf(updates, document.timezone)),
    drift: document.drift ?? DRIFT,
    stages: Object.fromEntries(
      STAGE_NAMES.flatMap((stage) => {
        const steps = document.stages?.[stage] ?? [];
        return steps.length === 0 ? [] : [[stage, steps.map((step, index) => stepOf(stage, index, step, unpack))]];
      }),
    ),
  };
}

function usersOf({ users = [], user, password, chpasswd }: MachineDocument): ConfiguredUser[] {
  const hashes = new Map(chpasswd?.users.map(({ name, password: hash }) => [name, hash]));
  if (user && password !== undefined) hashes.set(user.name, password);
  const all = user && !users.some(({ name }) => name === user.name) ? [user, ...users] : users;
  const configured = all.map(({ name, ...fields }) => configuredUser(name, fields, hashes.get(name)));
  const others = [...hashes].filter(([name]) => !all.some((one) => one.name === name));
  return [...configured, ...others.map(([name, hash]) => configuredUser(name, {}, hash))];
}

function sshPasswords(value: MachineDocument["ssh_pwauth"]): boolean | undefined {
  if (value === undefined || value === "unchanged") return undefined;
  return value === true || value === "yes";
}

/** Without the keys that have no value. */
type Known<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
const known = <T extends object>(value: T): Known<T> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Known<T>;
