/** Ways into a machine. Each script says `in` where it is one. */

export interface Attempt {
  readonly name: string;
  /** For the agent of a fixture with `node`. */
  readonly script: string;
}

const isStarted = (...argv: readonly string[]): string =>
  `return run(${argv.map((word) => JSON.stringify(word)).join(", ")}).status === 0 ? "in" : "refused"`;

/** A program of the image's, put where somebody can write, and started there. */
const dropped = (folder: string): Attempt => ({
  name: `a program that is put into ${folder} is started`,
  script: `fs.mkdirSync("${folder}", { recursive: true });
    fs.copyFileSync("/usr/bin/true", "${folder}/dropped");
    fs.chmodSync("${folder}/dropped", 0o755);
    const { status, output } = run("${folder}/dropped");
    return status === 0 ? "in" : output`,
});
const WRITABLE = [
  ...["/tmp", "/var/tmp", "/run", "/dev/shm", "/etc", "/usr/local", "/opt", "/home", "/root", "/srv", "/var/lib/test"],
  "/run/petrify/ephemeral",
];

/** Of somebody who is root in a service that nothing confines. */
export const AS_ROOT: readonly Attempt[] = [
  { name: "a shell is started", script: isStarted("/bin/sh", "-c", "true") },
  { name: "a shell is started by another name", script: isStarted("bash", "-c", "true") },
  { name: "a scripting language is started", script: isStarted("perl", "-e", "1") },
  { name: "there is a set-user-id program", script: `return fs.statSync("/usr/bin/passwd").mode & 0o4000 ? "in" : "refused"` },
  { name: "a login is started on another console", script: isStarted("systemctl", "start", "getty@tty2.service") },
  { name: "the debug shell is started", script: isStarted("systemctl", "start", "debug-shell.service") },
  { name: "a kernel module is loaded after the boot", script: isStarted("modprobe", "dummy") },
  {
    name: "another kernel may be loaded",
    script: `return fs.readFileSync("/proc/sys/kernel/kexec_load_disabled", "utf8").trim() === "0" ? "in" : "refused"`,
  },
  {
    name: "the memory of the agent is opened to be changed",
    script: `const pid = run("systemctl", "show", "--value", "--property=MainPID", "petrifyd.service").output.trim();
      try { fs.closeSync(fs.openSync("/proc/" + pid + "/mem", "r+")); return "in"; } catch (error) { return error.code; }`,
  },
  ...WRITABLE.map(dropped),
];

/** Files that root leaves below /usr/local, by what looks for them after a restart. */
const LEFT = {
  "/usr/local/lib/systemd/system/left.service": "[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/left-unit\n",
  "/usr/local/lib/tmpfiles.d/left.conf": "f /run/left-tmpfiles\n",
  "/usr/local/lib/udev/rules.d/99-left.rules": 'KERNEL=="null", RUN+="/usr/bin/touch /run/left-rule"\n',
};
/** A folder that is read-only now may be written to by somebody who unmounts what lies over it. */
export const LEAVE = `
  for (const [path, text] of Object.entries(${JSON.stringify(LEFT)})) {
    run("umount", path.split("/").slice(0, 4).join("/"));
    fs.mkdirSync(path.replace(/[^/]*$/, ""), { recursive: true });
    fs.writeFileSync(path, text);
  }`;
/** After the restart. */
export const AFTER_RESTART: readonly Attempt[] = [
  { name: "a unit below /usr/local is started", script: "left-unit" },
  { name: "a line for tmpfiles below /usr/local makes a file", script: "left-tmpfiles" },
  { name: "a rule for udev below /usr/local starts a program", script: "left-rule" },
].map(({ name, script }) => ({
  name,
  script: `run("systemctl", "daemon-reload"); run("systemctl", "start", "left.service");
    run("udevadm", "control", "--reload"); run("udevadm", "trigger", "--settle", "/dev/null");
    return fs.existsSync("/run/${script}") ? "in" : "refused"`,
}));

/** QEMU's words for a credential in the tables of the firmware. */
export const CREDENTIAL = ["-smbios", "type=11,value=io.systemd.credential:tmpfiles.extra=f /run/brought"] as const;
export const BROUGHT: Attempt = {
  name: "the machine's firmware brings a file that is made at boot",
  script: `return fs.existsSync("/run/brought") ? "in" : "refused"`,
};
