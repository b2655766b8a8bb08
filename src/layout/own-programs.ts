/** @portable Where an image has petrify's programs. docs/concepts/agent.md, "What it is made of" */

const FOLDER = "/usr/lib/petrify";
/** The programs' engine, what it is linked with, and tools that they call. Its loader is found by this path: it cannot be moved. */
export const RUNTIME_FOLDER = `${FOLDER}/runtime`;
/** All of them: which one it is, is told by the name that it is started by. Links lead to it. */
export const PROGRAM_FILE = `${RUNTIME_FOLDER}/bin/petrify`;

/** What works for the agent, and beside it; with the command line and the agent these are all. */
export const HELPERS = ["image", "install", "config", "stage", "api", "look", "forward", "debug", "authority"] as const;
export type Helper = (typeof HELPERS)[number];

export const AGENT_PROGRAM = `${FOLDER}/petrifyd`;
/** To start one by. */
export const helperProgram = (name: Helper): string => `${FOLDER}/petrify-${name}`;
