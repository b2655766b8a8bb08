/** @portable What a recipe says of an image's profile, and what a sealed one cannot have. docs/concepts/sealed.md */
import { z } from "zod";
import { holdsDeciding } from "./deciding-path.ts";
import type { InitKind } from "./words.ts";
import { ModuleName } from "./machine/words.ts";
import * as words from "./words.ts";

export const Profile = z.enum(["open", "sealed"]);

const Exception = z.strictObject({
  path: words.AbsolutePath.describe("Full path in the image"),
  reason: z.string().trim().min(1).max(200).describe("Why, for whoever reads the recipe or the build's output"),
});

const exceptions = (what: string) => z.array(Exception).max(200).default([]).describe(what);

export const Sealed = z.strictObject({
  keep: exceptions("Programs that stay although their kind is taken out, with their set-user-id bits and capabilities"),
  remove: exceptions("Files that go besides, such as a package's hook that needs a shell"),
  modules: z.array(ModuleName).max(200).default([]).describe("Kernel modules that are loaded at boot: after it none can be"),
});
export type Sealed = z.output<typeof Sealed>;

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
/** The parts of a recipe that a profile has a say in. */
interface Profiled {
  readonly profile: z.output<typeof Profile>;
  readonly sealed: Sealed;
  readonly users: readonly { readonly shell?: unknown; readonly password?: unknown; readonly sshKeys: readonly unknown[] }[];
  readonly kernel: { readonly cmdline: readonly string[] };
  readonly persistent: readonly string[];
}

const NO_LOGIN = "is for a login, and nobody logs in to a sealed image: the API is the way in (docs/concepts/api.md)";

/** What does not go with the profile. @param init nothing where the base decides, and the build finds out */
export function profileProblems({ profile, sealed, users, kernel, persistent }: Profiled, init: InitKind | undefined): Problem[] {
  if (profile === "open") {
    return (["keep", "remove", "modules"] as const)
      .filter((key) => sealed[key].length > 0)
      .map((key) => ({ path: ["sealed", key], message: "needs `profile: sealed`: an open image keeps what its packages have" }));
  }
  const problems: Problem[] = init === "openrc" ? [{ path: ["profile"], message: WITHOUT_SYSTEMD }] : [];
  for (const [index, user] of users.entries()) {
    for (const key of ["shell", "password"] as const)
      if (user[key] !== undefined) problems.push({ path: ["users", index, key], message: NO_LOGIN });
    if (user.sshKeys.length > 0) problems.push({ path: ["users", index, "sshKeys"], message: NO_LOGIN });
  }
  for (const [index, word] of kernel.cmdline.entries()) {
    const why = openingWord(word);
    if (why !== undefined) problems.push({ path: ["kernel", "cmdline", index], message: `would open a sealed image: ${why}` });
  }
  for (const [index, path] of persistent.entries()) {
    if (holdsDeciding(path))
      problems.push({
        path: ["persistent", index],
        message: `would open a sealed image: the system looks there, or below, for what to start. Name a folder that holds data alone`,
      });
  }
  return problems;
}

/** Services of OpenRC are scripts of a shell. */
export const WITHOUT_SYSTEMD = "sealed needs systemd: OpenRC's services are scripts, and a sealed image has no shell";

/** By the names of words, with `_` for `-`. Source: kernel-command-line(7), systemd(1); Linux, Documentation/admin-guide/kernel-parameters.txt */
const OPENING: readonly (readonly [name: RegExp, why: string])[] = [
  [/^(?:single|emergency|rescue|[sS]|-b)$/, "it starts a shell in place of the system"],
  [
    /^(?:rd\.)?systemd\.(?:debug_shell|default_debug_tty|crash_shell|unit|wants|mask|run.*|volatile|sysv_compat)$/,
    "it decides what is started",
  ],
  [/^systemd\.(?:set_credential(?:_binary)?|import_credentials)$/, "credentials decide what is started"],
  [/^rd\.|^rdinit$/, "it is for another initrd"],
  [/^sysrq_always_enabled$|^sysctl\.kernel\.sysrq$/, "keys on the console would reach into the kernel"],
  [/^(?:kgdboc|kgdbcon|kgdbwait|ekgdboc|kdb)$/, "it starts the kernel's debugger"],
  [/^crashkernel$/, "another kernel would be started after a panic"],
];

/** Why a word on the kernel's command line is no word for a sealed image. */
function openingWord(word: string): string | undefined {
  const name = word.split("=", 1)[0]!.replaceAll(/(?<=.)-/g, "_");
  return OPENING.find(([pattern]) => pattern.test(name))?.[1];
}
