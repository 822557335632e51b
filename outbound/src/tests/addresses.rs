use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::{is_public, why_not_public};

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "3ffe::1",
    "3fff:1000::1",
];

const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0", "this host"),
    ("0.255.255.255", "this host"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.0", "carrier-grade NAT"),
    ("100.100.100.200", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.0.0", "link-local or metadata"),
    ("169.254.169.254", "link-local or metadata"),
    ("169.254.170.2", "link-local or metadata"),
    ("169.254.255.255", "link-local or metadata"),
    ("172.16.0.0", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.0", "protocol assignment"),
    ("192.0.0.192", "protocol assignment"),
    ("192.0.0.255", "protocol assignment"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.0.0", "private"),
    ("192.168.255.255", "private"),
    ("198.18.0.0", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.255", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.0", "reserved"),
    ("255.255.255.254", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "not global unicast"),
    ("::1", "loopback"),
    ("::127.0.0.1", "not global unicast"),
    ("::8.8.8.8", "not global unicast"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:169.254.169.254", "link-local or metadata"),
    ("::ffff:0:127.0.0.1", "not global unicast"),
    ("64:ff9b::127.0.0.1", "not global unicast"),
    ("64:ff9b::8.8.8.8", "not global unicast"),
    ("64:ff9b:1::10.0.0.1", "not global unicast"),
    ("100::1", "not global unicast"),
    ("1fff:ffff::1", "not global unicast"),
    ("2001::1", "Teredo"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
    ("2001:2::1", "protocol assignment"),
    ("2001:10::1", "protocol assignment"),
    ("2001:1ff:ffff::1", "protocol assignment"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::1", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "not global unicast"),
    ("5f00::1", "not global unicast"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fdff:ffff::1", "private"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local"),
    ("fec0::1", "not global unicast"),
    ("ff02::1", "multicast"),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
];

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn public_addresses_are_public() {
    for text in PUBLIC {
        assert_eq!(why_not_public(addr(text)), None, "{text}");
        assert!(is_public(addr(text)), "{text}");
    }
}

#[test]
fn all_others_are_not_and_the_reason_is_said() {
    for (text, why) in NOT_PUBLIC {
        assert_eq!(why_not_public(addr(text)), Some(*why), "{text}");
        assert!(!is_public(addr(text)), "{text}");
    }
}

#[test]
fn a_mapped_address_counts_as_the_one_inside() {
    for text in PUBLIC.iter().chain(NOT_PUBLIC.iter().map(|(text, _)| text)) {
        if let IpAddr::V4(v4) = addr(text) {
            assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()), "{text}");
        }
    }
}

/// What is public, said another way: as the gaps between what is not, in the order of numbers.
fn public_v4(addr: Ipv4Addr) -> bool {
    match addr.octets() {
        [100, b, ..] => b >> 6 != 1,
        [172, b, ..] => b >> 4 != 1,
        [192, 0, c, _] => c != 0 && c != 2,
        [a, b, c, d] => {
            !(matches!(a, 0 | 10 | 127 | 224..)
                || matches!((a, b), (169, 254) | (192, 168) | (198, 18 | 19))
                || matches!((a, b, c), (192, 88, 99) | (198, 51, 100) | (203, 0, 113))
                || (a, b, c, d) == (168, 63, 129, 16))
        }
    }
}

fn public_v6(addr: Ipv6Addr) -> bool {
    match addr.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => public_v4(addr.to_ipv4_mapped().unwrap()),
        [0x2002, ..] | [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        [0x3fff, second, ..] => second >> 12 != 0,
        [first, ..] => first >> 13 == 1,
    }
}

/// Addresses all over, and close to every edge.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let known = NOT_PUBLIC.iter().map(|(text, _)| text).chain(PUBLIC);
    let special: Vec<u32> = known.filter_map(|text| text.parse::<Ipv4Addr>().ok()).map(u32::from).collect();
    let near = (prop::sample::select(special), -300..300_i64)
        .prop_map(|(special, off)| u32::try_from((i64::from(special) + off).clamp(0, i64::from(u32::MAX))).unwrap());
    prop_oneof![any::<u32>(), near].prop_map(Ipv4Addr::from)
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    const FIRSTS: &[u16] =
        &[0, 0x64, 0x100, 0x1fff, 0x2000, 0x2001, 0x2002, 0x2003, 0x3ffe, 0x3fff, 0x4000, 0xfc00, 0xfe80, 0xff02];
    const SECONDS: &[u16] = &[0, 1, 0x1ff, 0x200, 0xdb7, 0xdb8, 0xdb9, 0xfff, 0x1000, 0xff9b];
    let edge = (prop::sample::select(FIRSTS), prop::sample::select(SECONDS), any::<[u16; 6]>())
        .prop_map(|(first, second, [a, b, c, d, e, f])| Ipv6Addr::new(first, second, a, b, c, d, e, f));
    prop_oneof![any::<u128>().prop_map(Ipv6Addr::from), edge, v4().prop_map(|addr| addr.to_ipv6_mapped())]
}

proptest! {
    #![proptest_config(bulkhead_properties::tries(4096))]

    #[test]
    fn two_ways_to_say_what_is_public_agree(v4 in v4(), v6 in v6()) {
        prop_assert_eq!(is_public(v4.into()), public_v4(v4), "{}", v4);
        prop_assert_eq!(is_public(v6.into()), public_v6(v6), "{}", v6);
    }
}
