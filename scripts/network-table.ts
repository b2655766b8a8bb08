import { z } from "zod";
import { IFUPDOWN_KEYS } from "../src/config/network/ifupdown.ts";
import { KINDS } from "../src/config/network/links.ts";
import { NETWORK_MANAGER_KEYS, NETWORK_MANAGER_OVERRIDES } from "../src/config/network/network-manager.ts";
import { NetworkKeys } from "../src/config/network/netplan.ts";
import { unfolded } from "./key-table.ts";

/** The part of JSON Schema that the tables show. */
interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly additionalProperties?: Described;
  readonly items?: Described;
  readonly anyOf?: readonly Described[];
}
interface Row {
  readonly path: string;
  /** The key of the link that it is, or lies in. */
  readonly key: string;
  readonly says: string;
}
const REFUSED = "Refused: ";

/** Tables of every key of a network, by the kind of link, with the programs that can do it; then those that are refused. */
export function networkTable(): string {
  const schema = unfolded(z.toJSONSchema(NetworkKeys, { target: "draft-7", io: "input" }) as Described);
  const top = Object.entries(schema.properties ?? {}).map(([path, { description: says = "" }]): Row => ({
    path,
    key: path,
    says,
  }));
  const common = keysOf(schema, "dummy-devices");
  const known = new Set(common.map(({ path }) => path));
  const own = KINDS.map((kind) => [kind, keysOf(schema, kind).filter(({ path }) => !known.has(path))] as const).filter(
    ([, rows]) => rows.length > 0,
  );
  const below = (kind: string, rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row, path: `${kind}.NAME.${row.path}` }));
  const refused = [...top, ...below("KIND", common), ...own.flatMap(([kind, rows]) => below(kind, rows))].filter(isRefused);
  return [
    ...[
      "### The network",
      "",
      "| key | |",
      "|---|---|",
      ...top.filter((row) => !isRefused(row)).map(({ path, says }) => `| \`${path}\` | ${says} |`),
      "",
    ],
    ...table("Of every link", "ethernets", common),
    ...own.flatMap(([kind, rows]) => table(`Of \`${kind}\``, kind, rows)),
    ...["### Refused", "", "| key | it |", "|---|---|"],
    ...Array.from(
      Map.groupBy(refused, ({ says }) => says),
      ([says, rows]) => `| ${rows.map(({ path }) => `\`${path}\``).join(" ")} | ${says.slice(REFUSED.length)} |`,
    ),
  ].join("\n");
}

const isRefused = ({ says }: Row): boolean => says.startsWith(REFUSED);

function table(title: string, kind: (typeof KINDS)[number], rows: readonly Row[]): string[] {
  const overrides = (path: string): boolean =>
    NETWORK_MANAGER_OVERRIDES.includes(/-overrides\.(.*)/.exec(path)?.[1] ?? NETWORK_MANAGER_OVERRIDES[0]!);
  const has = (keys: typeof IFUPDOWN_KEYS, { key, path }: Row): string =>
    keys[kind]?.includes(key) && overrides(path) ? "yes" : "";
  return [
    ...[`### ${title}`, "", "| key | | NetworkManager | ifupdown |", "|---|---|---|---|"],
    ...rows
      .filter((row) => !isRefused(row))
      .map((row) => `| \`${row.path}\` | ${row.says} | ${has(NETWORK_MANAGER_KEYS, row)} | ${has(IFUPDOWN_KEYS, row)} |`),
    "",
  ];
}

const keysOf = (schema: Described, kind: string): Row[] =>
  rowsOf(schema.properties?.[kind]?.additionalProperties ?? {}, "", undefined);

function rowsOf({ properties = {} }: Described, prefix: string, owner: string | undefined): Row[] {
  return Object.entries(properties).flatMap(([name, at]): Row[] => {
    const key = owner ?? name;
    const forms = at.anyOf ?? [at];
    const within = forms.flatMap(({ items }) => (items?.properties ? [[items, "[]"] as const] : []))[0];
    const mapping = forms.find(({ properties: inner }) => inner);
    const named = forms.find(({ additionalProperties: inner }) => inner?.properties)?.additionalProperties;
    const path = `${prefix}${name}${within ? "[]" : named ? ".NAME" : ""}`;
    const inner = within?.[0] ?? mapping ?? named ?? {};
    return [{ path, key, says: at.description ?? "" }, ...rowsOf(inner, `${path}.`, key)];
  });
}
