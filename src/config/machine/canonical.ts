/** @portable Every value in the one form that documents are merged in, whichever of its forms it was written in. */
import type { Entry, MapTree, Scalar, Tree } from "./tree.ts";

const scalar = (value: Scalar, { at, path }: Tree): Tree => ({ kind: "scalar", at, path, value });
const map = (entries: Readonly<Record<string, Tree>>, { at, path }: Tree): MapTree => ({
  kind: "map",
  at,
  path,
  entries: new Map(Object.entries(entries).map(([key, value]): [string, Entry] => [key, { at: value.at, value }])),
});
const list = (items: readonly Tree[], { at, path }: Tree): Tree => ({ kind: "list", at, path, items });

/** A checked document; what it comes to is the same. */
export const canonical = (tree: MapTree): MapTree =>
  mapValues(tree, (value, key) => (Object.hasOwn(FORMS, key) ? FORMS[key]!(value) : value));

type Form = (value: Tree) => Tree;
const mapValues = (tree: MapTree, form: (value: Tree, key: string) => Tree): MapTree => ({
  ...tree,
  entries: new Map(Array.from(tree.entries, ([key, entry]) => [key, { ...entry, value: form(entry.value, key) }])),
});
const within =
  (forms: Readonly<Record<string, Form>>): Form =>
  (value) =>
    value.kind === "map" ? mapValues(value, (inner, key) => (Object.hasOwn(forms, key) ? forms[key]!(inner) : inner)) : value;
const each =
  (form: Form): Form =>
  (value) =>
    value.kind === "list" ? list(value.items.map(form), value) : value;

const commas: Form = (value) => {
  if (value.kind !== "scalar" || typeof value.value !== "string") return value;
  const parts = value.value.split(",").map((part) => part.trim());
  return list(
    parts.filter(Boolean).map((part) => scalar(part, value)),
    value,
  );
};
const single: Form = (value) => (value.kind === "scalar" ? list([value], value) : value);
const named: Form = (value) => (value.kind === "scalar" ? map({ name: value }, value) : value);
const sudo: Form = (value) =>
  value.kind === "scalar" && (value.value === false || value.value === null) ? list([], value) : single(value);
const user: Form = (value) => within({ groups: commas, sudo })(named(value));

const members: Form = (value) => {
  if (value.kind === "map") return within({ members: commas })(value);
  return map({ members: value.kind === "scalar" && value.value === null ? list([], value) : commas(value) }, value);
};
const groups: Form = (value) => {
  if (value.kind === "map") return mapValues(value, members);
  const items = commas(value);
  const entries = items.kind === "list" ? items.items.flatMap(groupEntries) : [];
  return { kind: "map", at: value.at, path: value.path, entries: new Map(entries) };
};
function groupEntries(item: Tree): [string, Entry][] {
  if (item.kind === "map") return Array.from(item.entries, ([name, entry]) => [name, { ...entry, value: members(entry.value) }]);
  return [[String(item.kind === "scalar" ? item.value : ""), { at: item.at, value: map({ members: list([], item) }, item) }]];
}

const isNothing = (value: Tree): boolean => value.kind === "scalar" && value.value === null;
const commands: Form = (value) =>
  value.kind === "list"
    ? list(
        value.items.filter((item) => !isNothing(item)),
        value,
      )
    : value;
const isDefault = (value: Tree): boolean => value.kind === "scalar" && value.value === "default";

const step: Form = within({
  users: (value) => (value.kind === "map" ? mapValues(value, within({ groups: commas, sudo })) : value),
  if_files: (value) => (value.kind === "list" ? map({ all: value }, value) : value),
  after: each(named),
});

const FORMS: Readonly<Record<string, Form>> = {
  user,
  users: (value) => (value.kind === "list" ? list(value.items.filter((item) => !isDefault(item)).map(user), value) : value),
  groups,
  bootcmd: commands,
  runcmd: commands,
  ntp: (value) => (isNothing(value) ? map({}, value) : value),
  ca_certs: within({ trusted: single }),
  proxy: within({ no_proxy: commas }),
  modules: each(named),
  kernel: within({ args: (value) => (value.kind === "list" ? map({ append: value }, value) : value) }),
  updates: within({ channel: (value) => (value.kind === "scalar" ? map({ tag: value }, value) : value) }),
  config_url: (value) => (value.kind === "scalar" ? map({ url: value }, value) : value),
  stages: (value) => (value.kind === "map" ? mapValues(value, each(step)) : value),
};
