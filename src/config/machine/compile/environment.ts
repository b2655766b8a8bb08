/** @portable `environment` and `proxy`: variables of every login and of every service. */
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import { MARK, markedFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { shellWord, systemdWord } from "./quoting.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** What `/etc/environment` can hold in every version of pam_env, and a shell's file too. */
const VALUE = /^[^\p{Cc}"#\\]{0,4000}$/u;

export function compileEnvironment({ environment, proxy }: NodeConfig, view: ImageView): Part {
  const unsupported: Unsupported[] = [];
  const variables: (readonly [key: string, name: string, value: string])[] = [];
  const wanted = [
    ...proxyVariables(proxy).map(([name, value]) => ["proxy", name, value] as const),
    ...Object.entries(environment).map(([name, value]) => [`environment.${name}`, name, value] as const),
  ];
  for (const [key, name, value] of wanted) {
    const problem = whyNoVariable(name, value);
    if (problem !== undefined) unsupported.push({ key, problem });
    else variables.push([key, name, value]);
  }
  // What is said by name counts before what follows from the proxy.
  const byName = new Map(variables.map(([key, name, value]) => [name, { key, value }]));
  if (byName.size === 0) return { unsupported };
  const key = [...byName.values()][0]!.key.replace(/\..*/, "");
  const entries = [...byName].map(([name, { value }]) => [name, value] as const);
  return { drafts: environmentFiles(key, entries, view), unsupported };
}

/** What every program is given that a stage runs. */
export const variablesOf = ({ environment, proxy }: NodeConfig): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(proxyVariables(proxy)),
  ...environment,
});

/** Why a file like `/etc/environment` cannot hold a variable, as the end of a sentence. */
export function whyNoVariable(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return "is no name of a variable";
  return VALUE.test(value) ? undefined : `must have a value without line breaks, ", # and \\`;
}

function proxyVariables(proxy: NodeConfig["proxy"]): (readonly [string, string])[] {
  if (!proxy) return [];
  const { http, https, none } = proxy;
  const values = [
    ["http_proxy", http],
    ["https_proxy", https],
    ["no_proxy", none.length > 0 ? none.join(",") : undefined],
  ] as const;
  // Programs disagree on the case. Source: "We need to talk: Can we standardize NO_PROXY?", GitLab
  return values.flatMap(([name, value]) =>
    value === undefined
      ? []
      : ([
          [name, value],
          [name.toUpperCase(), value],
        ] as const),
  );
}

function environmentFiles(key: string, variables: readonly (readonly [string, string])[], view: ImageView): Draft[] {
  const shell = variables.map(([name, value]) => `export ${name}=${shellWord(value)}`);
  const appended = (path: string, lines: readonly string[]): Draft => ({
    ...{ key, path },
    what: { is: "file", mode: 0o644, append: true, content: { text: `${MARK}${lines.join("\n")}\n` } },
  });
  return [
    // Of PAM; without it a shell has to.
    ...(view.has("/etc/pam.d")
      ? [
          appended(
            "/etc/environment",
            variables.map(([name, value]) => `${name}="${value}"`),
          ),
        ]
      : [markedFile(key, "/etc/profile.d/90-petrify-environment.sh", shell)]),
    ...(view.init === "systemd"
      ? [
          markedFile(key, "/etc/systemd/system.conf.d/90-petrify-environment.conf", [
            "[Manager]",
            `DefaultEnvironment=${variables.map(([name, value]) => systemdWord(`${name}=${value}`)).join(" ")}`,
          ]),
        ]
      : [appended("/etc/rc.conf", shell)]),
  ];
}
