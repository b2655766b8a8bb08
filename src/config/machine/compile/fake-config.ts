/** Machine configs for tests, from what they are about. */
import type { ConfiguredContainer, ConfiguredFile, ConfiguredUnit, ConfiguredUser, NodeConfig } from "../node-config.ts";
import type { Step } from "../stages.ts";

export const fakeConfig = (about: Partial<NodeConfig> = {}): NodeConfig => ({
  ...{ users: [], groups: [], authorizedKeys: [], files: [], bootCommands: [], runCommands: [], sysctl: {}, modules: [] },
  ...{
    environment: {},
    units: [],
    containers: [],
    disks: [],
    fileSystems: [],
    mounts: [],
    persistent: [],
    install: {},
    drift: "report",
    stages: {},
  },
  ...about,
});

export const fakeUser = (name: string, about: Partial<ConfiguredUser> = {}): ConfiguredUser => ({
  ...{ name, groups: [], isSystem: false, noHome: false, isLocked: false, authorizedKeys: [], sudo: [] },
  ...about,
});

export const fakeFile = (path: string, about: Partial<ConfiguredFile> = {}): ConfiguredFile => ({
  ...{ path, content: { text: "text\n" }, mode: 0o644, owner: "root:root", append: false, defer: false },
  ...about,
});

export const fakeUnit = (name: string, about: Partial<ConfiguredUnit> = {}): ConfiguredUnit => ({ name, dropIns: [], ...about });

export const fakeContainer = (name: string, about: Partial<ConfiguredContainer> = {}): ConfiguredContainer => ({
  ...{ name, image: "registry.example/app:1", command: [], environment: {}, ports: [], volumes: [] },
  ...{ restart: "always", readOnly: false, quadlet: {} },
  ...about,
});

export const fakeStep = (name: string, about: Partial<Step> = {}): Step => ({
  ...{
    name,
    conditions: { files: [], anyFile: [], noFiles: [] },
    after: [],
    onError: "fail",
    commands: [],
    files: [],
    directories: [],
    users: [],
  },
  ...{ groups: [], authorizedKeys: {}, entities: [], sysctl: {}, modules: [], environment: {}, downloads: [] },
  systemctl: { enable: [], disable: [], start: [], stop: [], restart: [], mask: [] },
  ...about,
});
