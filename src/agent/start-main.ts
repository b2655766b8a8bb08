/**
 * The one executable of an image that has every program of petrify's: Node with their modules in it. It runs the one that it is started by the name of. Nothing
 * imports this file.
 */
import { basename } from "node:path";
import { getAsset, getAssetKeys } from "node:sea";
import { setFlagsFromString } from "node:v8";
import vm, { type Module, type SourceTextModule } from "node:vm";
import { garbageCollector } from "../host/garbage-collector.ts";
import { WORKER_FLAGS } from "./worker.ts";

const USAGE = 64; // sysexits.h
const WORKERS: ReadonlySet<string> = new Set(["image.mjs", "install.mjs", "config.mjs", "stage.mjs"]);
/** Whoever runs longer has started by then, and whoever does not is not held up. */
const SETTLED_MS = 500;
const modules = new Map<string, SourceTextModule>();

/** A module with all that it imports, and nothing of it run. Those of one program name each other as files of one folder. */
function linked(specifier: string): SourceTextModule {
  const name = basename(specifier);
  const known = modules.get(name);
  if (known) return known;
  const made = new vm.SourceTextModule(getAsset(name, "utf8"), { identifier: name, importModuleDynamically: imported });
  modules.set(name, made);
  made.linkRequests(made.moduleRequests.map((request) => linked(request.specifier)));
  return made;
}

async function imported(specifier: string): Promise<Module> {
  // The namespace of one of Node's own does as well. Source: Node.js, vm, "importModuleDynamically"
  if (specifier.startsWith("node:")) return (await import(specifier)) as Module;
  const module = linked(specifier);
  if (module.status === "unlinked") module.instantiate();
  await module.evaluate();
  return module;
}

const name = basename(process.argv0);
const entry = `${name.replace(/^petrify-/, "")}.mjs`;
if (getAssetKeys().includes(entry)) {
  void imported(entry);
  // By now it has those of Node's modules that it needs: with other flags V8 would refuse what of them is compiled already.
  if (WORKERS.has(entry)) for (const flag of WORKER_FLAGS) setFlagsFromString(flag);
  // What only the start needed: V8 would first look for it when the heap has half of what it may have.
  setTimeout(() => garbageCollector()({ execution: "sync" }), SETTLED_MS).unref();
} else {
  process.stderr.write(`${name}: there is no such program of petrify's\n`);
  process.exitCode = USAGE;
}
