/** @portable Which machines a person looks after, and as whom: the file of contexts, as kubectl has one. Pure. docs/formats/contexts.md */
import { z } from "zod";
import { AppError } from "../core/error.ts";
import { ROLES } from "../pki/identity.ts";
import { parseAddress } from "./address.ts";
import { changeLabels, LABEL_KEY, LABEL_VALUE, type LabelChange } from "./selector.ts";

const pem = z.string().startsWith("-----BEGIN ").max(65_536);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const fingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);

const nodeSchema = z.strictObject({
  /** `HOST` or `HOST:PORT`; absent where it is the node's name. */
  address: z.string().min(1).optional(),
  /** Of its key. */
  key: fingerprint.optional(),
  /** What machines are chosen by; whoever looks after them gives them, they say none of themselves. */
  labels: z.record(z.string().regex(LABEL_KEY), z.string().regex(LABEL_VALUE)).optional(),
});
const contextSchema = z.strictObject({
  /** Whose machines they are. */
  authorities: pem,
  credentials: z.union([
    /** A folder of `petrify gen secrets`: a certificate is made for each command. */
    z.strictObject({ secrets: z.string().startsWith("/"), user: z.string().min(1), role: z.enum(ROLES) }),
    /** What somebody else has made. */
    z.strictObject({ certificate: pem, key: pem }),
  ]),
  nodes: z.record(name, nodeSchema).default({}),
  /** Machines by which all others are reached, by name or address, the preferred one first. */
  endpoints: z.array(z.string().min(1)).min(1).max(16).optional(),
});
const fileSchema = z.strictObject({
  format: z.literal(1),
  current: name.optional(),
  contexts: z.record(name, contextSchema),
});

export type Context = z.output<typeof contextSchema>;
export type Contexts = z.output<typeof fileSchema>;

export const NO_CONTEXTS: Contexts = { format: 1, contexts: {} };

export const encodeContexts = (file: Contexts): string => `${JSON.stringify(file, undefined, 2)}\n`;

/** @param origin names the file in messages @throws AppError `CONTEXTS_INVALID`, `CONTEXTS_NEWER` */
export function parseContexts(text: string, origin: string): Contexts {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError("CONTEXTS_INVALID", `${origin} is no JSON document`, { hint: "Mend it, or remove it.", cause });
  }
  const { format } = (value ?? {}) as { readonly format?: unknown };
  if (typeof format === "number" && format > 1) {
    throw new AppError("CONTEXTS_NEWER", `${origin} is of a newer petrify (format ${format})`, { hint: "Use a newer petrify." });
  }
  const { success, data, error } = fileSchema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw new AppError("CONTEXTS_INVALID", `${origin}: ${issue!.path.join(".") || "the file"}: ${issue!.message}`, {
    hint: "Mend it, or remove it.",
  });
}

/** The first one becomes the current one. @throws AppError `CONTEXT_EXISTS`, `CONTEXT_NAME_INVALID` */
export function addContext(file: Contexts, named: string, context: Context): Contexts {
  assertName(named);
  if (Object.hasOwn(file.contexts, named)) {
    throw new AppError("CONTEXT_EXISTS", `there is a context ${named} already`, {
      hint: `Take another name, or: petrify context remove ${named}`,
    });
  }
  return { ...file, current: file.current ?? named, contexts: { ...file.contexts, [named]: context } };
}

/** @throws AppError `NO_CONTEXT` */
export function useContext(file: Contexts, named: string): Contexts {
  contextOf(file, named);
  return file.current === named ? file : { ...file, current: named };
}

/** Nothing is current any more where it was. @throws AppError `NO_CONTEXT` */
export function removeContext(file: Contexts, named: string): Contexts {
  contextOf(file, named);
  const { current, ...rest } = file;
  const contexts = Object.fromEntries(Object.entries(file.contexts).filter(([other]) => other !== named));
  return { ...rest, ...(current === undefined || current === named ? {} : { current }), contexts };
}

/** What is to be known of a machine from now on; what is absent stays as it was. */
export interface NodeChange {
  /** Of its key. */
  readonly key?: string | undefined;
  readonly address?: string | undefined;
  readonly labels?: LabelChange;
}

/**
 * Remembers a machine, or something of one that is known.
 *
 * @returns the same file where that was known
 * @throws AppError `NO_CONTEXT`, `CONTEXT_NAME_INVALID`, `FINGERPRINT_INVALID`, `ADDRESS_INVALID`
 */
export function knowNode(file: Contexts, named: string | undefined, node: string, change: NodeChange): Contexts {
  const [at, context] = contextOf(file, named);
  const { key, address } = change;
  assertName(node);
  if (key !== undefined && !fingerprint.safeParse(key).success) {
    throw new AppError("FINGERPRINT_INVALID", `${JSON.stringify(key)} is no fingerprint of a key`, {
      hint: "Write it as `petrify status` shows it on the machine: SHA256:6jrVGNkb…",
    });
  }
  if (address !== undefined) parseAddress(address);
  const before = Object.hasOwn(context.nodes, node) ? context.nodes[node] : undefined;
  const labels = change.labels ? changeLabels(before?.labels, change.labels) : before?.labels;
  const after = defined({ address: address ?? before?.address, key: key ?? before?.key, labels });
  if (before && JSON.stringify(defined(before)) === JSON.stringify(after)) return file;
  return withNodes(file, at, { ...context.nodes, [node]: after });
}

/** @throws AppError `NO_CONTEXT`, `NO_NODE` */
export function forgetNode(file: Contexts, named: string | undefined, node: string): Contexts {
  const [at, { nodes }] = contextOf(file, named);
  assertKnown(at, nodes, node);
  return withNodes(file, at, Object.fromEntries(Object.entries(nodes).filter(([other]) => other !== node)));
}

/**
 * @param endpoints none: machines are reached directly
 * @returns the same file where they are these already
 * @throws AppError `NO_CONTEXT`, `ADDRESS_INVALID`
 */
export function setEndpoints(file: Contexts, named: string | undefined, endpoints: readonly string[]): Contexts {
  const [at, { endpoints: before = [], ...context }] = contextOf(file, named);
  for (const endpoint of endpoints) nodeOf(file.contexts[at]!, endpoint);
  if (before.join() === endpoints.join()) return file;
  const after = { ...context, ...(endpoints.length > 0 ? { endpoints: [...endpoints] } : {}) };
  return { ...file, contexts: { ...file.contexts, [at]: after } };
}

/** @throws AppError `NO_NODE` */
export function assertKnown(context: string, nodes: Context["nodes"], node: string): void {
  if (Object.hasOwn(nodes, node)) return;
  throw new AppError("NO_NODE", `the context ${context} knows no machine ${node}`, {
    hint: "See `petrify context node list`; `petrify context node add` adds one.",
  });
}

const withNodes = (file: Contexts, at: string, nodes: Context["nodes"]): Contexts => ({
  ...file,
  contexts: { ...file.contexts, [at]: { ...file.contexts[at]!, nodes } },
});

/** In the order of the file. */
const defined = ({ address, key, labels }: Context["nodes"][string]): Context["nodes"][string] => ({
  ...(address === undefined ? {} : { address }),
  ...(key === undefined ? {} : { key }),
  ...(labels === undefined ? {} : { labels }),
});

/** @param named absent for the current one @throws AppError `NO_CONTEXT` */
export function contextOf({ current, contexts }: Contexts, named = current): readonly [string, Context] {
  const names = Object.keys(contexts);
  if (named === undefined) {
    throw new AppError("NO_CONTEXT", "no context is in use", {
      hint: names.length > 0 ? `petrify context use ${names[0]}` : "petrify context add NAME --secrets FOLDER",
    });
  }
  if (Object.hasOwn(contexts, named)) return [named, contexts[named]!];
  throw new AppError("NO_CONTEXT", `there is no context ${named}`, {
    hint: names.length > 0 ? `There are ${names.join(", ")}.` : "petrify context add NAME --secrets FOLDER",
  });
}

export interface NodePlace {
  /** As it was asked for. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly fingerprint?: string;
}

/** A machine by the name that the context knows, or by its address. @throws AppError `ADDRESS_INVALID` */
export function nodeOf({ nodes }: Context, named: string): NodePlace {
  const known = Object.hasOwn(nodes, named) ? nodes[named] : undefined;
  return {
    name: named,
    ...parseAddress(known?.address ?? named),
    ...(known?.key === undefined ? {} : { fingerprint: known.key }),
  };
}

function assertName(named: string): void {
  if (name.safeParse(named).success) return;
  throw new AppError("CONTEXT_NAME_INVALID", `${JSON.stringify(named)} is no name for a context or a node`, {
    hint: "Use letters, digits, dots, dashes and underscores.",
  });
}
