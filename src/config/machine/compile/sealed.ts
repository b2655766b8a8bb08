/** @portable What a sealed image does not take of a machine config: what needs a shell or a login, and what decides by a file what is started. docs/concepts/sealed.md */
import { persistentFlags } from "../../../layout/fstab.ts";
import { NO_KERNEL_ARGS } from "../../../layout/kernel-args.ts";
import { RUNTIME_VARIABLES } from "../../../layout/runtime-variables.ts";
import { sealedArgProblem } from "../../../layout/sealed-cmdline.ts";
import { SEALED_SYSCTLS, STARTING_SYSCTLS } from "../../../layout/sealed-sysctl.ts";
import { holdsDeciding, insteadOfDeciding } from "../../deciding-path.ts";
import type { CommandLine, ConfiguredFile, ConfiguredMount, ConfiguredUnit, ConfiguredUser, NodeConfig } from "../node-config.ts";
import { STAGE_NAMES, type Step } from "../stages.ts";
import type { ImageView } from "./image-view.ts";
import type { Unsupported } from "./part.ts";

const NO_LOGIN = "is for a login, and the image is sealed";
const USE_API = "Manage the machine by its API: petrify -n MACHINE, with a certificate (docs/concepts/api.md).";
const NO_SHELL = "needs a shell, and the image is sealed";
const USE_PROGRAM =
  "Name a program of the image with its arguments, as a list; or use units, containers, or a key of its own for what the command does.";

const DECIDES = "lies where the system looks for what to start, and the image is sealed";
const KEEPS = "would keep what the system looks at for what to start, and the image is sealed";
/** Words of mount(8) that take back what keeps files from being executed. */
const OPENING = new Set(["exec", "suid", "dev"]);

interface Sealed {
  readonly config: NodeConfig;
  readonly unsupported: readonly Unsupported[];
}

/** @returns the config without it */
export function sealConfig(config: NodeConfig, view: ImageView): Sealed {
  if (view.profile !== "sealed") return { config, unsupported: [] };
  const unsupported: Unsupported[] = [];
  const refuse = (key: string, problem: string, hint: string): false => {
    unsupported.push({ key, problem, hint });
    return false;
  };
  const isTaken = (key: string, command: CommandLine): boolean =>
    typeof command !== "string" || refuse(key, NO_SHELL, USE_PROGRAM);
  const isFree = (key: string, path: string): boolean => {
    const instead = insteadOfDeciding(path);
    return instead === undefined || refuse(key, DECIDES, instead);
  };
  const file = (key: string, { path }: Pick<ConfiguredFile, "path">): boolean => isFree(`${key}[${path}]`, path);
  const parameters = (key: string, sysctl: NodeConfig["sysctl"]): NodeConfig["sysctl"] =>
    Object.fromEntries(
      Object.entries(sysctl).filter(([name]) => {
        const plain = name.replace(/^-/, "").replaceAll("/", ".");
        const own = [...SEALED_SYSCTLS, ...STARTING_SYSCTLS].some((one) => one === plain || matches(plain, one));
        return (
          !own || refuse(`${key}[${name}]`, "is the sealed image's own", "Build an open image where another value is needed.")
        );
      }),
    );
  const variables = (key: string, environment: NodeConfig["environment"]): NodeConfig["environment"] =>
    Object.fromEntries(
      Object.entries(environment).filter(
        ([name]) =>
          (!name.startsWith("LD_") && !RUNTIME_VARIABLES.some((one) => one === name)) ||
          refuse(`${key}.${name}`, "would change what programs run, and the image is sealed", "Set it for one unit, by units."),
      ),
    );
  const mount = (one: ConfiguredMount): readonly ConfiguredMount[] => {
    const key = `mounts[${one.where}]`;
    if (holdsDeciding(one.where) && !refuse(key, DECIDES, "Mount it below /mnt, /media, /srv or /var.")) return [];
    const flags = persistentFlags(one.where, "sealed");
    const opening = one.options.split(",").find((option) => OPENING.has(option) && flags.includes(`no${option}`));
    if (
      opening !== undefined &&
      !refuse(key, `is to be mounted with ${opening}, and the image is sealed`, "Leave exec, suid and dev out of its options.")
    )
      return [];
    return [{ ...one, options: `${one.options},${flags}` }];
  };
  const keys = (key: string, of: readonly string[]): readonly string[] =>
    of.length === 0 || refuse(key, NO_LOGIN, USE_API) ? of : [];
  const user = (key: string, one: ConfiguredUser): ConfiguredUser => {
    const { shell, passwordHash, ...rest } = one;
    const label = `${key}[${one.name}]`;
    if (passwordHash !== undefined) refuse(`${label}.passwd`, NO_LOGIN, USE_API);
    const isNoLogin = shell === undefined || /\/(?:nologin|false)$/.test(shell);
    if (!isNoLogin) refuse(`${label}.shell`, NO_LOGIN, USE_API);
    return {
      ...rest,
      ...(shell !== undefined && isNoLogin ? { shell } : {}),
      authorizedKeys: keys(`${label}.ssh_authorized_keys`, one.authorizedKeys),
      sudo: one.sudo.length === 0 || refuse(`${label}.sudo`, NO_LOGIN, USE_API) ? one.sudo : [],
    };
  };
  const step = (key: string, one: Step): Step | undefined => {
    if (one.conditions.command !== undefined && !refuse(`${key}.if`, NO_SHELL, "Use files, or leave the condition out."))
      return undefined;
    return {
      ...one,
      commands: one.commands.filter((command, index) => isTaken(`${key}.commands[${index}]`, command)),
      files: one.files.filter((entry) => file(`${key}.files`, entry)),
      downloads: one.downloads.filter((entry) => file(`${key}.downloads`, entry)),
      users: one.users.map((entry) => user(`${key}.users`, entry)),
      authorizedKeys: Object.fromEntries(
        Object.entries(one.authorizedKeys).filter(([name]) => refuse(`${key}.authorized_keys[${name}]`, NO_LOGIN, USE_API)),
      ),
      sysctl: parameters(`${key}.sysctl`, one.sysctl),
      environment: variables(`${key}.environment`, one.environment),
    };
  };
  const { sshPasswords, sshRoot, kernelArgs, ...rest } = config;
  if (sshPasswords !== undefined) refuse("ssh_pwauth", NO_LOGIN, USE_API);
  if (sshRoot !== undefined) refuse("disable_root", NO_LOGIN, USE_API);
  const word = (list: "append" | "remove"): readonly string[] =>
    (kernelArgs ?? NO_KERNEL_ARGS)[list].filter((one) => {
      const problem = sealedArgProblem(one);
      return problem === undefined || refuse(`kernel.args.${list}[${one}]`, problem, "Put it into the recipe: kernel.cmdline.");
    });
  return {
    config: {
      ...rest,
      ...(kernelArgs === undefined ? {} : { kernelArgs: { append: word("append"), remove: word("remove") } }),
      authorizedKeys: keys("ssh_authorized_keys", config.authorizedKeys),
      users: config.users.map((one) => user("users", one)),
      files: config.files.filter((one) => file("write_files", one)),
      bootCommands: config.bootCommands.filter((one, index) => isTaken(`bootcmd[${index}]`, one)),
      runCommands: config.runCommands.filter((one, index) => isTaken(`runcmd[${index}]`, one)),
      sysctl: parameters("sysctl", config.sysctl),
      environment: variables("environment", config.environment),
      mounts: config.mounts.flatMap(mount),
      persistent: config.persistent.filter(
        (path) => !holdsDeciding(path) || refuse(`persist[${path}]`, KEEPS, "Name a folder that holds data alone."),
      ),
      units: config.units.filter((unit) =>
        /\.(?:auto)?mount$/.test(unit.name)
          ? refuse(`units[${unit.name}]`, "mounts something anywhere, and the image is sealed", "Use mounts.")
          : unitStarts(unit).every(
              (program) =>
                startsThere(program, view) ||
                refuse(
                  `units[${unit.name}]`,
                  `starts ${program}, which a sealed image does not have, or does not execute`,
                  "Start a program of the image, or use containers.",
                ),
            ),
      ),
      stages: Object.fromEntries(
        STAGE_NAMES.filter((name) => config.stages[name]).map((name) => [
          name,
          config.stages[name]!.flatMap((one) => step(`stages.${name}[${one.name}]`, one) ?? []),
        ]),
      ),
    },
    unsupported,
  };
}

/** Whether a name with `*` of sysctl.d(5) is about a parameter. */
const matches = (name: string, parameter: string): boolean =>
  name.includes("*") &&
  new RegExp(
    `^${name
      .split("*")
      .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
      .join("[^.]*")}$`,
  ).test(parameter);

/** Programs of a unit's own texts. Source: systemd.service(5), "Command lines" */
function unitStarts({ content = "", dropIns }: ConfiguredUnit): string[] {
  const text = [content, ...dropIns.map((dropIn) => dropIn.content)].join("\n");
  return [
    ...text.matchAll(/^[ \t]*Exec(?:Condition|(?:Start|Stop)(?:Pre|Post)?|Reload(?:Post)?)[ \t]*=[ \t]*[-@:+!|]*"?([^\s"]+)/gm),
  ].map(([, program]) => program!);
}

/** Nothing is executed where something can be written. */
const WRITABLE = /^\/(?:etc|var|oem|tmp|run|dev|usr\/local)\//;
function startsThere(program: string, view: ImageView): boolean {
  if (program.includes("%")) return true; // nobody knows before it is started
  const paths = program.startsWith("/") ? [program] : ["/usr/bin", "/usr/sbin"].map((folder) => `${folder}/${program}`);
  return paths.some(
    (path) => view.has(path) && !WRITABLE.test(path) && !view.persistent.some((folder) => path.startsWith(`${folder}/`)),
  );
}
