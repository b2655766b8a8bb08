/** @portable A host's name as clouds tell it: short, or with its domain. @returns keys of a machine config */
export function hostOf(name: string): { readonly hostname: string; readonly fqdn?: string } {
  const lower = name.toLowerCase().replace(/\.$/, "");
  const [first = ""] = lower.split(".", 1);
  return first === lower ? { hostname: lower } : { hostname: first, fqdn: lower };
}
