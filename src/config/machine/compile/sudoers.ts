/**
 * @portable The syntax of a rule of sudoers(5), without the user's name. A file that sudo cannot read may leave nobody with a way to be root.
 *
 * Only what every build of sudo is sure to read is taken: hosts, `=`, commands with whom they run as, options, tags and digests; more of them after a colon. What
 * is left out: aliases of tags, patterns in brackets, regular expressions, options of SELinux and Solaris.
 */

const list = (item: string): string => `${item}(?:\\s*,\\s*${item})*`;
/** What sudo takes for the beginning of a digest is nobody's name. */
const WORD = String.raw`!*(?!sha\d+\s*:)[A-Za-z0-9_.*?+%#-]+`;
const OPTIONS = "TIMEOUT|CWD|CHROOT|NOTBEFORE|NOTAFTER|ROLE|TYPE|PRIVS|LIMITPRIVS|APPARMOR_PROFILE";
const HOSTS = new RegExp(`^${list(String.raw`!*(?!(?:${OPTIONS}|sudoedit|list)\s*=)[A-Za-z0-9_.*?+-]+`)}\\s*=\\s*`);
const RUN_AS = new RegExp(String.raw`^\(\s*(?:${list(WORD)})?\s*(?::\s*${list(WORD)})?\s*\)\s*`);
const OPTION = /^(?:TIMEOUT=\d{1,6}[dhms]?|(?:CWD|CHROOT)=\/[A-Za-z0-9_./-]*|NOT(?:BEFORE|AFTER)=\d{14}Z)\s+/;
const TAGS = "(?:NO)?(?:EXEC|FOLLOW|INTERCEPT|LOG_INPUT|LOG_OUTPUT|MAIL|PASSWD|SETENV)";
const TAG = new RegExp(`^${TAGS}\\s*:\\s*`);
/** Hexadecimal, or Base64, of the right length: sudo counts. */
const DIGEST =
  /^(?:sha224:[0-9A-Fa-f]{56}|sha256:(?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/]{43}=)|sha384:[0-9A-Fa-f]{96}|sha512:[0-9A-Fa-f]{128})\s+/;
const PATH = String.raw`/[A-Za-z0-9_.*?+@%/-]*[A-Za-z0-9_.*?+@%-]`;
const ARGUMENT = String.raw`(?:[A-Za-z0-9_./*?+@%~-]|\\[,:=\\])+`;
const PROGRAM = `${PATH}(?:[ \\t]+(?:""|${ARGUMENT}(?:[ \\t]+${ARGUMENT})*))?`;
const FOLDER = String.raw`/(?:[A-Za-z0-9_.*?+@%-]+/)+`;
const EDIT = `sudoedit(?:[ \\t]+${PATH})+`;
const ALIAS = String.raw`(?!${TAGS}\b)[A-Z][A-Z0-9_]*(?!\w|/)`;
const COMMAND = new RegExp(`^!*(?:${ALIAS}|${EDIT}|${FOLDER}(?=\\s*(?:[,:]|$))|${PROGRAM})\\s*`);
const HASHED = new RegExp(`^${PROGRAM}\\s*`);

/** What is wrong with a rule, as the end of a sentence about it; nothing for one that sudo reads. */
export function whyNoSudoRule(rule: string): string | undefined {
  if (!/^[\x20-\x7e\t]{1,2000}$/.test(rule)) return "is not one line of printable ASCII";
  let rest = rule.trim();
  const take = (pattern: RegExp): boolean => {
    const found = pattern.exec(rest);
    if (found) rest = rest.slice(found[0].length);
    return found !== null;
  };
  do {
    if (!take(HOSTS)) return "does not begin with hosts and =, as ALL=(ALL) ALL does";
    do {
      take(RUN_AS);
      while (take(OPTION));
      while (take(TAG));
      if (!take(take(DIGEST) ? HASHED : COMMAND))
        return `has no command, a full path or ALL, where it says ${JSON.stringify(rest.slice(0, 40))}`;
    } while (take(/^,\s*/));
  } while (take(/^:\s*/));
  return rest === "" ? undefined : `cannot be read from ${JSON.stringify(rest.slice(0, 40))} on`;
}
