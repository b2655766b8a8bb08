/** @portable Licences of a Debian package, out of its copyright file. Source: machine-readable debian/copyright 1.0 (DEP-5). */

/**
 * The short names that the file's paragraphs have, each once, sorted; nothing when the file is not in the machine-readable form.
 *
 * Paragraphs of single files count as well: what of them is in the binary package, the file does not say.
 */
export function licencesOfCopyright(text: string): readonly string[] | undefined {
  const paragraphs = text.split(/\n(?:[ \t]*\n)+/);
  if (!/^format(?:-specification)?:/im.test(paragraphs[0] ?? "")) return undefined;
  const found = new Set<string>();
  for (const paragraph of paragraphs) {
    // A paragraph of a licence alone is its text, for those that name it.
    if (!/^(?:files|format):/im.test(paragraph)) continue;
    const name = /^license:[ \t]*(.*)$/im.exec(paragraph)?.[1]?.trim();
    if (name) found.add(name.replaceAll(/\s+/g, " "));
  }
  return [...found].toSorted();
}
