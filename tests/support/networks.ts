/** Networks that netplan and petrify are asked about, below `version: 2`. */
interface Network {
  readonly yaml: string;
  /** Default: both of netplan's renderers. */
  readonly only?: "networkd" | "NetworkManager";
}

export const NETWORKS: Readonly<Record<string, Network>> = {
  "DHCP on one": { yaml: "ethernets: {eth0: {dhcp4: true}}" },
  "DHCP of both families": { yaml: "ethernets: {eth0: {dhcp4: true, dhcp6: true}}", only: "networkd" },
  "DHCP without its routes": {
    yaml: "ethernets: {eth0: {dhcp4: true, dhcp-identifier: mac, dhcp4-overrides: {use-dns: false, use-ntp: false, use-mtu: false, use-domains: route, hostname: other, use-hostname: false, route-metric: 7}}}",
    only: "networkd",
  },
  "DHCP of IPv6 without its routes": {
    yaml: "ethernets: {eth0: {dhcp6: true, dhcp6-overrides: {use-routes: false, use-mtu: false, send-hostname: false, use-domains: true}, ra-overrides: {use-dns: false, use-domains: route, table: 7}}}",
    only: "networkd",
  },
  "a static address": {
    yaml: `
ethernets:
  eth0:
    addresses: [192.0.2.7/24, "2001:db8::7/64"]
    nameservers: {addresses: [192.0.2.1, "2001:db8::1"], search: [a.example, b.example]}
    routes: [{to: default, via: 192.0.2.1}, {to: default, via: "2001:db8::1", metric: 5}]
    mtu: 9000
`,
    only: "networkd",
  },
  "a static address of IPv4": {
    yaml: "ethernets: {eth0: {addresses: [192.0.2.7/24], nameservers: {addresses: [192.0.2.1], search: [a.example]}, routes: [{to: 10.0.0.0/8, via: 192.0.2.1}], mtu: 1400, macaddress: '52:54:00:aa:bb:cc'}}",
  },
  "older gateways": {
    yaml: "ethernets: {eth0: {addresses: [192.0.2.7/24, '2001:db8::7/64'], gateway4: 192.0.2.1, gateway6: 'fe80::1'}}",
    only: "networkd",
  },
  "addresses with options": {
    yaml: "ethernets: {eth0: {addresses: [192.0.2.7/24, 192.0.2.8/24: {label: 'eth0:old', lifetime: 0}], link-local: [], accept-ra: false, critical: true, ignore-carrier: true}}",
    only: "networkd",
  },
  "what IPv6 can be told": {
    yaml: "ethernets: {eth0: {ipv6-privacy: true, ipv6-mtu: 1400, ipv6-address-token: '::42', accept-ra: yes, link-local: [ipv4, ipv6]}, eth1: {ipv6-address-generation: stable-privacy, link-local: [ipv4]}}",
    only: "networkd",
  },
  "routes of every sort": {
    yaml: `
ethernets:
  eth0:
    addresses: [192.0.2.7/24]
    routes:
      - {to: 10.1.0.0/16, via: 192.0.2.1, metric: 3, table: 100, mtu: 1400, on-link: true, from: 192.0.2.7}
      - {to: 10.2.0.0/16, scope: link}
      - {to: 10.3.0.0/16, type: blackhole}
      - {to: 10.4.0.0/16, type: unreachable}
      - {to: 192.0.2.99/32, type: local}
      - {to: 10.5.0.1, via: 192.0.2.1, congestion-window: 10, advertised-receive-window: 20, advertised-mss: 1400}
    routing-policy:
      - {from: 192.0.2.7, table: 100, priority: 5}
      - {to: 10.0.0.0/8, table: 100, priority: 6, mark: 7, type-of-service: 8}
`,
    only: "networkd",
  },
  "matched by address, renamed": {
    yaml: "ethernets: {card: {match: {macaddress: '52:54:00:12:34:56'}, set-name: lan0, wakeonlan: true, mtu: 1400, dhcp4: true}}",
    only: "networkd",
  },
  "matched by pattern and drivers": {
    yaml: "ethernets: {cards: {match: {name: 'en*'}, dhcp4: true}, virtual: {match: {driver: [virtio_net, 'e1000*']}, dhcp4: true}, any: {match: {}, dhcp6: true}}",
    only: "networkd",
  },
  "a pattern for NetworkManager": { yaml: "ethernets: {cards: {match: {name: 'en*'}, dhcp4: true}}", only: "NetworkManager" },
  "not brought up, or kept down": {
    yaml: "ethernets: {eth0: {activation-mode: manual}, eth1: {activation-mode: 'off', optional: true, emit-lldp: true}}",
    only: "networkd",
  },
  "what hardware does": {
    yaml: "ethernets: {eth0: {receive-checksum-offload: true, transmit-checksum-offload: false, tcp-segmentation-offload: true, tcp6-segmentation-offload: false, generic-segmentation-offload: true, generic-receive-offload: false, large-receive-offload: true}}",
    only: "networkd",
  },
  "a bond": {
    yaml: `
ethernets: {eth0: {}, eth1: {}}
bonds:
  bond0:
    interfaces: [eth0, eth1]
    dhcp4: true
    parameters: {mode: active-backup, primary: eth0, mii-monitor-interval: 100, up-delay: 200, down-delay: 300, gratuitous-arp: 4, fail-over-mac-policy: active, primary-reselect-policy: better}
`,
    only: "networkd",
  },
  "a bond that is negotiated": {
    yaml: `
ethernets: {eth0: {}, eth1: {}}
bonds:
  bond0:
    interfaces: [eth0, eth1]
    addresses: [192.0.2.7/24]
    parameters: {mode: 802.3ad, lacp-rate: fast, mii-monitor-interval: 100, min-links: 2, transmit-hash-policy: layer3+4, ad-select: bandwidth, all-members-active: true}
`,
  },
  "a bond that asks by ARP": {
    yaml: `
ethernets: {eth0: {}}
bonds:
  bond0:
    interfaces: [eth0]
    addresses: [192.0.2.7/24]
    parameters: {mode: balance-rr, arp-interval: 100ms, arp-ip-targets: [192.0.2.1, 192.0.2.2], arp-validate: all, arp-all-targets: any, packets-per-member: 5, resend-igmp: 6, learn-packet-interval: 7}
`,
    only: "networkd",
  },
  "a bridge": {
    yaml: `
ethernets: {eth0: {hairpin: true}, eth1: {neigh-suppress: true, port-mac-learning: false}}
bridges:
  br0:
    interfaces: [eth0, eth1]
    addresses: [192.0.2.7/24]
    macaddress: 52:54:00:12:34:56
    parameters: {stp: false, priority: 7, ageing-time: 50, forward-delay: 12, hello-time: 6, max-age: 24, path-cost: {eth0: 50}, port-priority: {eth1: 28}}
`,
    only: "networkd",
  },
  "a bridge of NetworkManager": {
    yaml: `
ethernets: {eth0: {hairpin: true}}
bridges:
  br0:
    interfaces: [eth0]
    addresses: [192.0.2.7/24]
    parameters: {priority: 7, ageing-time: 50, forward-delay: 12, hello-time: 6, max-age: 24, path-cost: {eth0: 50}}
`,
  },
  "virtual networks on a bond": {
    yaml: "ethernets: {eth0: {}}\nbonds: {bond0: {interfaces: [eth0]}}\nvlans: {v7: {id: 7, link: bond0, addresses: [192.0.2.7/24]}, v0: {id: 0, link: bond0, dhcp4: true}}",
  },
  "a routing table of its own": {
    yaml: "ethernets: {eth0: {}}\nvrfs: {red: {table: 1005, interfaces: [eth0], routes: [{to: default, via: 192.0.2.1}], routing-policy: [{from: 192.0.2.42, priority: 5}]}}",
    only: "networkd",
  },
  "nowhere, and a pair": {
    yaml: "dummy-devices: {dm0: {addresses: [192.0.2.7/32]}}\nvirtual-ethernets: {b0: {peer: a0, mtu: 1400}, a0: {peer: b0, addresses: [192.0.2.1/24]}}",
    only: "networkd",
  },
  nowhere: { yaml: "dummy-devices: {dm0: {addresses: [192.0.2.7/32]}}" },
  "tunnels of every sort": {
    yaml: `
tunnels:
  sit0a: {mode: sit, remote: 192.0.2.1, local: 192.0.2.2, ttl: 64, addresses: ["2001:db8::2/64"]}
  gre1: {mode: gre, remote: 192.0.2.1, local: 192.0.2.2, keys: 1234}
  gre2: {mode: ip6gre, remote: "2001:db8::1", local: "2001:db8::2", keys: {input: 1234, output: 5.6.7.8}}
  gre3: {mode: gretap, remote: 192.0.2.1}
  gre4: {mode: ip6gretap, remote: "2001:db8::1"}
  ip1: {mode: ipip, remote: 192.0.2.1}
  ip2: {mode: ipip6, remote: "2001:db8::1"}
  ip3: {mode: ip6ip6, remote: "2001:db8::1"}
  vti1: {mode: vti, remote: 192.0.2.1, key: 7}
  vti2: {mode: vti6, remote: "2001:db8::1"}
`,
    only: "networkd",
  },
  wireguard: {
    yaml: `
tunnels:
  wg0:
    mode: wireguard
    key: 4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8=
    mark: 42
    port: 51820
    addresses: [192.0.2.7/24]
    peers:
      - {keys: {public: M9nt4YujIOmNrRmpIRTmYSfMdrpvE7u6WkG8FY8WjG4=, shared: /run/keys/shared}, allowed-ips: [10.0.0.0/8, "fd00::/8"], keepalive: 14, endpoint: "192.0.2.1:5"}
  wg1: {mode: wireguard, key: {private: /etc/wg1.key}, peers: [{keys: {public: M9nt4YujIOmNrRmpIRTmYSfMdrpvE7u6WkG8FY8WjG4=}, allowed-ips: [0.0.0.0/0]}]}
`,
    only: "networkd",
  },
  vxlan: {
    yaml: `
ethernets: {eth0: {}}
tunnels:
  vx1: {mode: vxlan, id: 1, link: eth0, remote: 224.0.0.5, local: 192.0.2.1, ttl: 5, type-of-service: 4, ageing: 100, limit: 99, arp-proxy: true, mac-learning: false, port: 4789, port-range: [42, 442], flow-label: 5, do-not-fragment: true, short-circuit: false, notifications: [l2-miss, l3-miss], checksums: [udp, zero-udp6-tx, zero-udp6-rx, remote-tx, remote-rx], extensions: [group-policy, generic-protocol]}
  vx2: {mode: vxlan, id: 2, remote: 192.0.2.9}
`,
    only: "networkd",
  },
  "wireless networks": {
    yaml: `
wifis:
  wl0:
    regulatory-domain: GB
    dhcp4: true
    access-points:
      "Joe's Home": {password: s0s3kr1t, bssid: 00:11:22:33:44:55, band: 2.4GHz, channel: 11}
      hidden: {password: 1234567890123456789012345678901234567890123456789012345678abcdef, hidden: true, band: 5G}
      open: {}
      third: {auth: {key-management: sae, password: "s3cr3t pass"}, band: 5GHz, channel: 36}
      fourth: {auth: {key-management: psk, password: s0s3kr1t}}
      fifth: {auth: {key-management: psk-sha256, password: s0s3kr1t}}
`,
    only: "networkd",
  },
  "wireless networks of firms": {
    yaml: `
wifis:
  wl0:
    access-points:
      one: {auth: {key-management: eap, method: ttls, identity: joe@a.example, anonymous-identity: "@a.example", password: s3cr3t, phase2-auth: MSCHAPV2, ca-certificate: /etc/ssl/ca.pem}}
      two: {auth: {key-management: eap-sha256, method: tls, identity: joe, client-certificate: /etc/c.pem, client-key: /etc/k.pem, client-key-password: s3cr3t}}
      three: {auth: {key-management: eap-suite-b-192, method: peap, identity: joe, password: s3cr3t}}
      four: {auth: {key-management: 802.1x, method: pwd, identity: joe, password: s3cr3t}, mode: adhoc}
`,
    only: "networkd",
  },
  "wireless networks of NetworkManager": {
    yaml: `
wifis:
  wl0:
    dhcp4: true
    access-points:
      home: {password: s0s3kr1t, bssid: 00:11:22:33:44:55, band: 5GHz, channel: 36, hidden: true}
      open: {}
      own: {mode: ap, password: s0s3kr1t}
      firm: {auth: {key-management: eap, method: ttls, identity: joe, password: s3cr3t, phase2-auth: mschapv2}}
      third: {auth: {key-management: sae, password: s0s3kr1t}}
`,
    only: "NetworkManager",
  },
  "802.1X on the wire": {
    yaml: "ethernets: {eth0: {dhcp4: true, auth: {key-management: 802.1x, method: tls, identity: joe, client-certificate: /etc/c.pem, client-key: /etc/k.pem, ca-certificate: /etc/ca.pem}}}",
  },
};

/** Netplan's own examples that are not taken, with what is said of them. */
export const REFUSED_EXAMPLES: Readonly<Record<string, RegExp>> = {
  "infiniband.yaml": /infiniband-mode: InfiniBand is not set up/,
  "modem.yaml": /^modems: modems need ModemManager/,
  "openvswitch.yaml": /openvswitch: Open vSwitch is not set up/,
  "sriov.yaml": /virtual functions are made by a program of netplan's/,
  "sriov_vlan.yaml": /virtual functions are made by a program of netplan's/,
};
