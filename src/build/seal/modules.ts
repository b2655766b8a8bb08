/** Kernel modules that a sealed image loads at boot, because none is loaded after it. */
import { AppError } from "../../core/error.ts";
import { moduleName } from "../../layout/modalias.ts";

/** What programs ask the kernel for once they are at work, by the program that an image has. What a kernel does not have is left out. */
const USED_BY: readonly (readonly [programs: RegExp, modules: readonly string[]])[] = [
  [
    /^\/usr\/s?bin\/(?:nft|iptables|xtables-nft-multi|xtables-legacy-multi|firewalld|podman|dockerd|containerd|netavark|crun|runc)$|\/netavark$/,
    [
      ...[
        "nf_tables",
        "nfnetlink",
        "nf_conntrack",
        "nf_conntrack_netlink",
        "nf_nat",
        "nf_log_syslog",
        "nf_reject_ipv4",
        "nf_reject_ipv6",
      ],
      ...["nft_chain_nat", "nft_compat", "nft_connlimit", "nft_ct", "nft_fib", "nft_fib_inet", "nft_fib_ipv4", "nft_fib_ipv6"],
      ...["nft_flow_offload", "nft_hash", "nft_limit", "nft_log", "nft_masq", "nft_nat", "nft_numgen", "nft_quota", "nft_redir"],
      ...["nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6", "nft_socket", "nft_tproxy"],
      ...[
        "xt_addrtype",
        "xt_comment",
        "xt_connmark",
        "xt_conntrack",
        "xt_limit",
        "xt_LOG",
        "xt_mark",
        "xt_MASQUERADE",
        "xt_multiport",
      ],
      ...["xt_nat", "xt_physdev", "xt_recent", "xt_REDIRECT", "xt_set", "xt_statistic", "xt_state", "xt_TCPMSS", "xt_tcpudp"],
      ...["ipt_REJECT", "ip6t_REJECT"],
    ],
  ],
  [
    /^\/usr\/s?bin\/(?:podman|dockerd|containerd|crun|runc|kubelet)$/,
    ["overlay", "bridge", "br_netfilter", "veth", "tun", "macvlan", "ipvlan", "dummy", "vxlan", "fuse"],
  ],
  [/^\/usr\/s?bin\/(?:wg|wg-quick)$/, ["wireguard"]],
];

/**
 * @param programs of the image
 * @param kernel names of the kernel's modules
 * @param wanted by the recipe
 * @throws AppError `KERNEL_MODULE_UNKNOWN`
 */
export function modulesToLoad(programs: Iterable<string>, kernel: ReadonlySet<string>, wanted: readonly string[]): string[] {
  const has = (name: string): boolean => kernel.has(moduleName(name));
  const unknown = wanted.find((name) => !has(name));
  if (unknown !== undefined) {
    throw new AppError("KERNEL_MODULE_UNKNOWN", `sealed.modules: the image's kernel has no module ${unknown}`, {
      hint: "One that is built in need not be loaded; the kernel of the flavour `cloud` has fewer than that of `full`.",
    });
  }
  const paths = [...programs];
  const used = USED_BY.filter(([pattern]) => paths.some((path) => pattern.test(path))).flatMap(([, modules]) => modules);
  return [...new Set([...wanted, ...used.filter(has)].map(moduleName))].toSorted();
}
