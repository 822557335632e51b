//! Which IP addresses belong to the public Internet.
//!
//! Everything that the IANA special-purpose registries (RFC 6890 and its updates) keep off the public Internet is
//! refused: a name under somebody else's control must never lead into the hub's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not public, each with the words that a refusal uses.
const REFUSED_V4: [(Ipv4Net, &str); 17] = [
    (v4(0, 0, 0, 0, 8), "this host"),                   // RFC 1122, 3.2.1.3
    (v4(10, 0, 0, 0, 8), "private"),                    // RFC 1918
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT"),       // RFC 6598; Alibaba Cloud's metadata too
    (v4(127, 0, 0, 0, 8), "loopback"),                  // RFC 1122, 3.2.1.3
    (v4(168, 63, 129, 16, 32), "cloud metadata"),       // Azure's host agent, in public space
    (v4(169, 254, 0, 0, 16), "link-local or metadata"), // RFC 3927
    (v4(172, 16, 0, 0, 12), "private"),                 // RFC 1918
    (v4(192, 0, 0, 0, 24), "protocol assignment"),      // RFC 6890; Oracle Cloud's metadata too
    (v4(192, 0, 2, 0, 24), "documentation"),            // RFC 5737
    (v4(192, 88, 99, 0, 24), "6to4 relay"),             // RFC 7526
    (v4(192, 168, 0, 0, 16), "private"),                // RFC 1918
    (v4(198, 18, 0, 0, 15), "benchmarking"),            // RFC 2544
    (v4(198, 51, 100, 0, 24), "documentation"),         // RFC 5737
    (v4(203, 0, 113, 0, 24), "documentation"),          // RFC 5737
    (v4(224, 0, 0, 0, 4), "multicast"),                 // RFC 5771
    (v4(255, 255, 255, 255, 32), "broadcast"),          // RFC 919
    (v4(240, 0, 0, 0, 4), "reserved"),                  // RFC 1112
];

/// The only part of the IPv6 space that is given out as global unicast (RFC 4291, 2.4). What lies outside, among it
/// `::1`, NAT64 (RFC 6052), unique local (RFC 4193) and link-local addresses, is never public.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// Parts of [`GLOBAL_V6`] that are not public or that wrap an IPv4 address.
const REFUSED_V6: [(Ipv6Net, &str); 5] = [
    (v6(0x2001, 0, 32), "Teredo"),              // RFC 4380: wraps IPv4
    (v6(0x2001, 0, 23), "protocol assignment"), // RFC 2928
    (v6(0x2001, 0xdb8, 32), "documentation"),   // RFC 3849
    (v6(0x2002, 0, 16), "6to4"),                // RFC 3056: wraps IPv4
    (v6(0x3fff, 0, 20), "documentation"),       // RFC 9637
];

/// Whether `addr` can be the address of a server on the public Internet.
///
/// An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) counts as the IPv4 address inside, because that is what the kernel
/// connects to.
#[must_use]
pub fn is_public(addr: IpAddr) -> bool {
    why_not_public(addr).is_none()
}

/// What keeps `addr` from being public, in a word or two (`"loopback"`), or `None` for a public address.
#[must_use]
pub fn why_not_public(addr: IpAddr) -> Option<&'static str> {
    match addr.to_canonical() {
        IpAddr::V4(addr) => REFUSED_V4.iter().find(|(net, _)| net.contains(&addr)).map(|(_, why)| *why),
        IpAddr::V6(addr) if !GLOBAL_V6.contains(&addr) => Some(outside_global_unicast(addr)),
        IpAddr::V6(addr) => REFUSED_V6.iter().find(|(net, _)| net.contains(&addr)).map(|(_, why)| *why),
    }
}

/// Whether `addr` can be the address of one server at all, public or not: a config entry for any other can never match.
pub(super) fn is_a_server(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.octets()[0] != 0 && !addr.is_multicast() && !addr.is_broadcast(),
        IpAddr::V6(addr) => !addr.is_unspecified() && !addr.is_multicast(),
    }
}

fn outside_global_unicast(addr: Ipv6Addr) -> &'static str {
    if addr.is_loopback() {
        "loopback"
    } else if addr.is_unique_local() {
        "private"
    } else if addr.is_unicast_link_local() {
        "link-local"
    } else if addr.is_multicast() {
        "multicast"
    } else {
        "not global unicast"
    }
}
