//! The SSRF table: where a provider tries to go, and where that ends.
//!
//! In a URL `{port}` is the canary's port, `{hub}` the hub's own and `{here}` a path by which the canary knows the case.
//! What DNS says is in the words of `support::dns`; a name that no case gives does not exist.

/// One case.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    /// Whose `allowed_hosts` apply.
    pub group: Group,
    pub url: &'static str,
    /// Names, and what they have.
    pub dns: &'static [(&'static str, &'static str)],
    /// How the first call ends, then the second, and so on.
    pub ends: &'static [End],
    /// The canary redirects to the URL with this status, and whoever follows it by hand ends as the table says.
    pub via: Option<u16>,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    InvalidRequest,
    DeniedHost(&'static str),
    /// With what is said of the address.
    DeniedAddress(&'static str),
    Dns,
    /// The canary is reached, with one connection after one lookup.
    Reaches,
}

/// `allowed_hosts` that several cases share; each is a provider of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Nothing is allowed.
    Nothing,
    /// Names, and no address: whatever is inside is out of reach.
    Names,
    /// Names, and the canary's addresses by scheme and port: a name may lead there.
    Named,
    /// Names, and the canary's address with another scheme and another port.
    Decoy,
    /// Everything that a wildcard can allow of the hub itself.
    Hub,
}

impl Group {
    pub const ALL: [Self; 5] = [Self::Nothing, Self::Names, Self::Named, Self::Decoy, Self::Hub];

    /// The provider's name.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Names => "names",
            Self::Named => "named",
            Self::Decoy => "decoy",
            Self::Hub => "hub",
        }
    }

    /// The entries, with `{port}` and `{hub}`.
    pub fn allowed_hosts(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Names => &[
                "api.example.test",
                "*.example.test",
                "http://*.example.test:{port}",
                "*.sentry.io",
                "http://*.sentry.io:{port}",
                "http://strasse.example:{port}",
                "http://bücher.example:{port}",
                "http://localhost:{port}",
                "http://any.localhost:{port}",
            ],
            Self::Named => &["http://127.0.0.1:{port}", "http://[::1]:{port}", "http://*.named.test:{port}"],
            Self::Decoy => &["https://127.0.0.1:{port}", "http://127.0.0.1:1", "http://*.decoy.test:{port}"],
            Self::Hub => &["*.hub.test", "http://*.hub.test:{hub}", "https://*.hub.test:{hub}"],
        }
    }
}

/// The name by which callers know the hub of these tests.
pub const PUBLIC_URL: &str = "https://bulkhead.hub.test";

use End::{DeniedAddress, DeniedHost, Dns, InvalidRequest, Reaches};
use Group::{Decoy, Hub, Named, Names, Nothing};

const fn case(
    name: &'static str,
    group: Group,
    url: &'static str,
    dns: &'static [(&'static str, &'static str)],
    ends: &'static [End],
) -> Case {
    Case { name, group, url, dns, ends, via: None }
}

/// A literal or a strange URL: no name is looked up.
const fn url(name: &'static str, group: Group, url: &'static str, ends: &'static [End]) -> Case {
    case(name, group, url, &[], ends)
}

/// A redirect by the canary.
const fn via(status: u16, name: &'static str, url: &'static str, ends: &'static [End]) -> Case {
    Case { name, group: Named, url, dns: &[], ends, via: Some(status) }
}

const INVALID: &[End] = &[InvalidRequest];
const STRANGER: &[End] = &[DeniedHost("allowed_hosts")];
const LOOPBACK: &[End] = &[DeniedAddress("loopback")];
const PRIVATE: &[End] = &[DeniedAddress("private")];
const METADATA: &[End] = &[DeniedAddress("metadata")];
const CGNAT: &[End] = &[DeniedAddress("carrier-grade NAT")];
const PROTOCOL: &[End] = &[DeniedAddress("protocol assignment")];
const DOCUMENTATION: &[End] = &[DeniedAddress("documentation")];
const MULTICAST: &[End] = &[DeniedAddress("multicast")];
const LINK_LOCAL: &[End] = &[DeniedAddress("link-local")];
const THIS_HOST: &[End] = &[DeniedAddress("this host")];
const NOT_GLOBAL: &[End] = &[DeniedAddress("not global unicast")];
const UNKNOWN: &[End] = &[Dns];
const REACHES: &[End] = &[Reaches];
const HUB_ADDRESS: &[End] = &[DeniedAddress("the hub itself")];
const HUB_NAME: &[End] = &[DeniedHost("the hub itself")];

/// Every case. One line each, so that it reads as a table.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // Names that are allowed, and those that only look it.
    case("named-exact", Named, "http://exact.named.test:{port}{here}", &[("exact.named.test", "127.0.0.1")], REACHES),
    case("named-v6", Named, "http://six.named.test:{port}{here}", &[("six.named.test", "::1")], REACHES),
    case("named-both-families", Named, "http://both.named.test:{port}{here}", &[("both.named.test", "127.0.0.1 ::1")], REACHES),
    case("named-deep-labels", Named, "http://a.b.c.d.named.test:{port}{here}", &[("a.b.c.d.named.test", "127.0.0.1")], REACHES),
    case("named-mixed-case", Named, "HTTP://MiXeD.NAMED.tEsT:{port}{here}", &[("mixed.named.test", "127.0.0.1")], REACHES),
    case("named-trailing-dot", Named, "http://dot.named.test.:{port}{here}", &[("dot.named.test", "127.0.0.1")], REACHES),
    case("named-leading-zeros-of-port", Named, "http://zeros.named.test:00{port}{here}", &[("zeros.named.test", "127.0.0.1")], REACHES),
    case("named-encoded-letters", Named, "http://%65ncoded%2Enamed.test:{port}{here}", &[("encoded.named.test", "127.0.0.1")], REACHES),
    case("named-at-in-path", Named, "http://at.named.test:{port}/@10.0.0.1{here}", &[("at.named.test", "127.0.0.1")], REACHES),
    case("named-at-in-query", Named, "http://query.named.test:{port}{here}?u=http://me@10.0.0.1/", &[("query.named.test", "127.0.0.1")], REACHES),
    case("named-at-in-fragment", Named, "http://fragment.named.test:{port}{here}#@10.0.0.1/", &[("fragment.named.test", "127.0.0.1")], REACHES),
    case("named-dots-in-path", Named, "http://path.named.test:{port}/../..//..{here}", &[("path.named.test", "127.0.0.1")], REACHES),
    case("named-crlf-encoded-in-path", Named, "http://crlf.named.test:{port}/%0d%0aHost:%20evil.net{here}", &[("crlf.named.test", "127.0.0.1")], REACHES),
    case("named-bare-parent", Named, "http://named.test:{port}{here}", &[("named.test", "127.0.0.1")], STRANGER),
    case("named-other-port", Named, "http://port.named.test:1{here}", &[("port.named.test", "127.0.0.1")], STRANGER),
    case("named-no-port", Named, "http://noport.named.test{here}", &[("noport.named.test", "127.0.0.1")], STRANGER),
    case("named-other-scheme", Named, "https://scheme.named.test:{port}{here}", &[("scheme.named.test", "127.0.0.1")], STRANGER),
    url("wildcard-evil-prefix", Names, "https://evilsentry.io/", STRANGER),
    url("wildcard-evil-prefix-below", Names, "https://us.evilsentry.io/", STRANGER),
    url("wildcard-bare-parent", Names, "https://sentry.io/", STRANGER),
    url("wildcard-as-suffix-of-stranger", Names, "https://us.sentry.io.evil.net/", STRANGER),
    url("wildcard-hyphen-for-dot", Names, "https://us-sentry.io/", STRANGER),
    url("wildcard-star-as-host", Names, "https://*.sentry.io/", INVALID),
    url("wildcard-empty-label", Names, "https://.sentry.io/", INVALID),
    url("wildcard-two-dots", Names, "https://us..sentry.io/", INVALID),
    url("wildcard-two-trailing-dots", Names, "https://us.sentry.io../", INVALID),
    url("wildcard-underscore", Names, "https://_dmarc.sentry.io/", INVALID),
    url("wildcard-encoded-slash", Names, "https://evil.net%2f.sentry.io/", INVALID),
    url("wildcard-encoded-nul", Names, "https://evil.net%00.sentry.io/", INVALID),
    url("wildcard-encoded-hash", Names, "https://evil.net%23.sentry.io/", INVALID),
    url("wildcard-twice-encoded-dot", Names, "https://127%252e0%252e0%252e1.sentry.io/", INVALID),
    url("wildcard-stranger-with-path", Names, "https://evil.net/us.sentry.io", STRANGER),
    url("wildcard-stranger-with-query", Names, "https://evil.net?.sentry.io/", STRANGER),
    url("wildcard-stranger-with-fragment", Names, "https://evil.net#.sentry.io/", STRANGER),
    url("wildcard-label-too-long", Names, "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.sentry.io/", INVALID),
    url("nothing-allows-nothing", Nothing, "https://api.example.test/", STRANGER),
    url("nothing-allows-no-public-address", Nothing, "https://8.8.8.8/", STRANGER),
    url("nothing-allows-no-public-v6", Nothing, "https://[2606:4700:4700::1111]/", STRANGER),
    url("nothing-private", Nothing, "http://10.0.0.1/", PRIVATE),
    url("nothing-metadata-by-name", Nothing, "http://metadata.google.internal/computeMetadata/v1/", STRANGER),
    url("nothing-localhost", Nothing, "http://localhost/", STRANGER),
    url("nothing-localhost-trailing-dot", Nothing, "http://localhost.:{port}/", STRANGER),
    url("nothing-single-label", Nothing, "http://intranet/", STRANGER),

    // User information and other things before or after the host.
    url("user", Names, "https://user@api.example.test/", INVALID),
    url("user-and-password", Names, "https://user:pw@api.example.test/", INVALID),
    url("user-empty", Names, "https://@api.example.test/", INVALID),
    url("user-empty-both", Names, "https://:@api.example.test/", INVALID),
    url("user-is-allowed-host", Names, "http://api.example.test@127.0.0.1:{port}{here}", INVALID),
    url("user-is-allowed-host-and-port", Names, "http://api.example.test:443@127.0.0.1:{port}{here}", INVALID),
    url("user-is-inner-host", Named, "http://10.0.0.1@127.0.0.1:{port}{here}", INVALID),
    url("user-two-ats", Names, "http://a@api.example.test@127.0.0.1:{port}{here}", INVALID),
    url("user-encoded-at", Names, "http://api.example.test%40127.0.0.1:{port}{here}", INVALID),
    url("user-fullwidth-at", Names, "http://api.example.test＠127.0.0.1:{port}{here}", INVALID),
    url("backslash-before-at", Names, "http://api.example.test\\@127.0.0.1:{port}{here}", INVALID),
    url("backslash-after-inner-host", Named, "http://127.0.0.1:{port}\\@api.named.test{here}", INVALID),
    url("backslashes-for-slashes", Names, "http:\\\\127.0.0.1:{port}{here}", INVALID),
    url("backslash-as-path", Named, "http://127.0.0.1:{port}\\{here}", INVALID),
    url("tab-in-host", Names, "http://127.0.\t0.1:{port}{here}", INVALID),
    url("tab-in-scheme", Names, "ht\ttp://127.0.0.1:{port}{here}", INVALID),
    url("line-feed-in-host", Names, "http://127.0.0.1\n:{port}{here}", INVALID),
    url("crlf-in-path", Named, "http://127.0.0.1:{port}{here}\r\nx-injected: 1", INVALID),
    url("space-in-front", Named, " http://127.0.0.1:{port}{here}", INVALID),
    url("space-in-host", Names, "http://127.0.0.1 .example.test:{port}{here}", INVALID),
    url("space-in-path", Named, "http://127.0.0.1:{port}{here} HTTP/1.1", INVALID),
    url("nul-in-host", Names, "http://127.0.0.1\0.example.test:{port}{here}", INVALID),
    url("nul-at-the-end", Named, "http://127.0.0.1:{port}{here}\0", INVALID),
    url("delete-in-host", Names, "http://127.0.0.1\u{7f}:{port}{here}", INVALID),
    url("fullwidth-slash", Names, "http://127.0.0.1／.example.test:{port}{here}", INVALID),
    url("fullwidth-question-mark", Names, "http://127.0.0.1？.example.test:{port}{here}", INVALID),
    url("fullwidth-hash", Names, "http://127.0.0.1＃.example.test:{port}{here}", INVALID),
    url("fullwidth-colon", Names, "http://127.0.0.1：{port}{here}", INVALID),
    url("a-slash-c-ligature", Names, "http://127.0.0.1℀.example.test:{port}{here}", INVALID),
    url("comma-for-dot", Names, "http://127,0,0,1:{port}{here}", INVALID),
    url("semicolon-after-host", Names, "http://api.example.test;127.0.0.1:{port}{here}", INVALID),
    url("brackets-around-v4", Names, "http://[127.0.0.1]:{port}{here}", INVALID),

    // Schemes.
    url("scheme-ftp", Named, "ftp://127.0.0.1:{port}{here}", INVALID),
    url("scheme-file", Named, "file:///etc/passwd", INVALID),
    url("scheme-file-with-host", Named, "file://127.0.0.1:{port}{here}", INVALID),
    url("scheme-gopher", Named, "gopher://127.0.0.1:{port}/_GET%20/", INVALID),
    url("scheme-dict", Named, "dict://127.0.0.1:{port}/stats", INVALID),
    url("scheme-data", Named, "data:text/plain,hello", INVALID),
    url("scheme-javascript", Named, "javascript://127.0.0.1:{port}/%0aalert(1)", INVALID),
    url("scheme-websocket", Named, "ws://127.0.0.1:{port}{here}", INVALID),
    url("scheme-unix-socket", Named, "http+unix://%2Fvar%2Frun%2Fdocker.sock/info", INVALID),
    url("scheme-view-source", Named, "view-source:http://127.0.0.1:{port}{here}", INVALID),
    url("scheme-twice", Named, "http://http://127.0.0.1:{port}{here}", STRANGER),
    url("scheme-without-slashes", Named, "http:127.0.0.1:{port}{here}", INVALID),
    url("scheme-one-slash", Named, "http:/127.0.0.1:{port}{here}", INVALID),
    url("scheme-three-slashes", Named, "http:///127.0.0.1:{port}{here}", INVALID),
    url("scheme-missing", Named, "127.0.0.1:{port}{here}", INVALID),
    url("scheme-relative", Named, "//127.0.0.1:{port}{here}", INVALID),
    url("scheme-only-path", Named, "{here}", INVALID),
    url("scheme-nothing-at-all", Named, "", INVALID),
    url("scheme-no-host", Named, "http://:{port}{here}", INVALID),

    // Ports.
    url("port-zero", Named, "http://127.0.0.1:0{here}", INVALID),
    url("port-too-large", Named, "http://127.0.0.1:65536{here}", INVALID),
    url("port-wraps-to-80", Named, "http://127.0.0.1:65616{here}", INVALID),
    url("port-negative", Named, "http://127.0.0.1:-1{here}", INVALID),
    url("port-with-plus", Named, "http://127.0.0.1:+{port}{here}", INVALID),
    url("port-twice", Named, "http://127.0.0.1:{port}:80{here}", INVALID),
    url("port-is-a-name", Named, "http://127.0.0.1:http{here}", INVALID),
    url("port-of-another-service", Named, "http://127.0.0.1:22/", LOOPBACK),
    url("port-missing", Named, "http://127.0.0.1{here}", LOOPBACK),
    url("port-with-tls", Named, "https://127.0.0.1:{port}{here}", LOOPBACK),

    // IPv4 in all its spellings. Where the config names the address, they all mean it; nowhere else do they pass.
    url("v4-named", Named, "http://127.0.0.1:{port}{here}", REACHES),
    url("v4-named-decimal", Named, "http://2130706433:{port}{here}", REACHES),
    url("v4-named-neighbour", Named, "http://127.0.0.2:{port}{here}", LOOPBACK),
    url("v4-plain", Names, "http://127.0.0.1:{port}{here}", LOOPBACK),
    url("v4-decimal", Names, "http://2130706433:{port}{here}", LOOPBACK),
    url("v4-octal", Names, "http://0177.0.0.01:{port}{here}", LOOPBACK),
    url("v4-octal-whole", Names, "http://017700000001:{port}{here}", LOOPBACK),
    url("v4-octal-many-zeros", Names, "http://0000000177.0.0.1:{port}{here}", LOOPBACK),
    url("v4-hex", Names, "http://0x7f.0x0.0x0.0x1:{port}{here}", LOOPBACK),
    url("v4-hex-whole", Names, "http://0x7f000001:{port}{here}", LOOPBACK),
    url("v4-hex-capitals", Names, "http://0X7F.1:{port}{here}", LOOPBACK),
    url("v4-short-two-parts", Names, "http://127.1:{port}{here}", LOOPBACK),
    url("v4-short-three-parts", Names, "http://127.0.1:{port}{here}", LOOPBACK),
    url("v4-mixed", Names, "http://0x7f.0.01:{port}{here}", LOOPBACK),
    url("v4-trailing-dot", Names, "http://127.0.0.1.:{port}{here}", LOOPBACK),
    url("v4-encoded-dots", Names, "http://127%2e0%2e0%2E1:{port}{here}", LOOPBACK),
    url("v4-encoded-digits", Names, "http://%31%32%37.0.0.1:{port}{here}", LOOPBACK),
    url("v4-fullwidth-digits", Names, "http://１２７.０.０.１:{port}{here}", LOOPBACK),
    url("v4-circled-digits", Names, "http://①②⑦.⓪.⓪.①:{port}{here}", LOOPBACK),
    url("v4-ideographic-dots", Names, "http://127。0。0。1:{port}{here}", LOOPBACK),
    url("v4-fullwidth-dots", Names, "http://127．0．0．1:{port}{here}", LOOPBACK),
    url("v4-soft-hyphen", Names, "http://127.0.0\u{ad}.1:{port}{here}", LOOPBACK),
    url("v4-zero", Names, "http://0:{port}{here}", THIS_HOST),
    url("v4-unspecified", Names, "http://0.0.0.0:{port}{here}", THIS_HOST),
    url("v4-hex-prefix-alone", Names, "http://0x:{port}{here}", THIS_HOST),
    url("v4-zero-net", Names, "http://0.1.2.3:{port}{here}", THIS_HOST),
    url("v4-loopback-end", Names, "http://127.255.255.254:{port}{here}", LOOPBACK),
    url("v4-part-too-large", Names, "http://127.0.0.256:{port}{here}", INVALID),
    url("v4-overflow", Names, "http://4294967296:{port}{here}", INVALID),
    url("v4-wraps-to-loopback", Names, "http://6425673729:{port}{here}", INVALID),
    url("v4-five-parts", Names, "http://127.0.0.0.1:{port}{here}", INVALID),
    url("v4-octal-with-nine", Names, "http://0199.0.0.1:{port}{here}", INVALID),
    url("v4-private-10", Names, "http://10.0.0.1:{port}{here}", PRIVATE),
    url("v4-private-172-first", Names, "http://172.16.0.1:{port}{here}", PRIVATE),
    url("v4-private-172-last", Names, "http://172.31.255.255:{port}{here}", PRIVATE),
    url("v4-private-192", Names, "http://192.168.1.1:{port}{here}", PRIVATE),
    url("v4-private-decimal", Names, "http://3232235777:{port}{here}", PRIVATE),
    url("v4-cgnat", Names, "http://100.64.0.1:{port}{here}", CGNAT),
    url("v4-link-local", Names, "http://169.254.1.1:{port}{here}", LINK_LOCAL),
    url("v4-protocol-assignment", Names, "http://192.0.0.8:{port}{here}", PROTOCOL),
    url("v4-benchmark", Names, "http://198.18.0.1:{port}{here}", &[DeniedAddress("benchmarking")]),
    url("v4-documentation-1", Names, "http://192.0.2.1:{port}{here}", DOCUMENTATION),
    url("v4-documentation-2", Names, "http://198.51.100.1:{port}{here}", DOCUMENTATION),
    url("v4-documentation-3", Names, "http://203.0.113.1:{port}{here}", DOCUMENTATION),
    url("v4-6to4-relay", Names, "http://192.88.99.1:{port}{here}", &[DeniedAddress("6to4 relay")]),
    url("v4-multicast", Names, "http://224.0.0.1:{port}{here}", MULTICAST),
    url("v4-multicast-ssdp", Names, "http://239.255.255.250:1900/", MULTICAST),
    url("v4-reserved", Names, "http://240.0.0.1:{port}{here}", &[DeniedAddress("reserved")]),
    url("v4-broadcast", Names, "http://255.255.255.255:{port}{here}", &[DeniedAddress("broadcast")]),

    // Metadata services, literally.
    url("metadata-aws-gcp-azure", Names, "http://169.254.169.254/latest/meta-data/iam/security-credentials/", METADATA),
    url("metadata-decimal", Names, "http://2852039166/latest/meta-data/", METADATA),
    url("metadata-hex", Names, "http://0xA9FEA9FE/latest/meta-data/", METADATA),
    url("metadata-octal", Names, "http://0251.0376.0251.0376/latest/meta-data/", METADATA),
    url("metadata-short", Names, "http://169.254.43518/latest/meta-data/", METADATA),
    url("metadata-mapped", Names, "http://[::ffff:169.254.169.254]/latest/meta-data/", METADATA),
    url("metadata-nat64", Names, "http://[64:ff9b::a9fe:a9fe]/latest/meta-data/", NOT_GLOBAL),
    url("metadata-6to4", Names, "http://[2002:a9fe:a9fe::]/latest/meta-data/", &[DeniedAddress("6to4")]),
    url("metadata-aws-tasks", Names, "http://169.254.170.2/v2/credentials", METADATA),
    url("metadata-aws-v6", Names, "http://[fd00:ec2::254]/latest/meta-data/", PRIVATE),
    url("metadata-gcp-v6", Names, "http://[fd20:ce::254]/computeMetadata/v1/", PRIVATE),
    url("metadata-azure-host", Names, "http://168.63.129.16/machine?comp=goalstate", METADATA),
    url("metadata-alibaba", Names, "http://100.100.100.200/latest/meta-data/", CGNAT),
    url("metadata-oracle", Names, "http://192.0.0.192/latest/", PROTOCOL),
    url("metadata-scaleway", Names, "http://169.254.42.42/conf", METADATA),

    // IPv6, and IPv4 wrapped in it.
    url("v6-named", Named, "http://[::1]:{port}{here}", REACHES),
    url("v6-named-long-form", Named, "http://[0:0:0:0:0:0:0:1]:{port}{here}", REACHES),
    url("v6-named-v4-mapped", Named, "http://[::ffff:127.0.0.1]:{port}{here}", LOOPBACK),
    url("v6-loopback", Names, "http://[::1]:{port}{here}", LOOPBACK),
    url("v6-loopback-long-form", Names, "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}{here}", LOOPBACK),
    url("v6-unspecified", Names, "http://[::]:{port}{here}", NOT_GLOBAL),
    url("v6-mapped", Names, "http://[::ffff:127.0.0.1]:{port}{here}", LOOPBACK),
    url("v6-mapped-hex", Names, "http://[::FFFF:7F00:1]:{port}{here}", LOOPBACK),
    url("v6-mapped-private", Names, "http://[::ffff:10.0.0.1]:{port}{here}", PRIVATE),
    url("v6-compatible", Names, "http://[::127.0.0.1]:{port}{here}", NOT_GLOBAL),
    url("v6-translated", Names, "http://[::ffff:0:127.0.0.1]:{port}{here}", NOT_GLOBAL),
    url("v6-nat64", Names, "http://[64:ff9b::127.0.0.1]:{port}{here}", NOT_GLOBAL),
    url("v6-nat64-of-a-public-one", Names, "http://[64:ff9b::8.8.8.8]:{port}{here}", NOT_GLOBAL),
    url("v6-nat64-local", Names, "http://[64:ff9b:1::7f00:1]:{port}{here}", NOT_GLOBAL),
    url("v6-6to4", Names, "http://[2002:7f00:1::1]:{port}{here}", &[DeniedAddress("6to4")]),
    url("v6-teredo", Names, "http://[2001:0:7f00:1::]:{port}{here}", &[DeniedAddress("Teredo")]),
    url("v6-orchid", Names, "http://[2001:20::1]:{port}{here}", PROTOCOL),
    url("v6-unique-local", Names, "http://[fd12:3456:789a::1]:{port}{here}", PRIVATE),
    url("v6-unique-local-fc", Names, "http://[fc00::1]:{port}{here}", PRIVATE),
    url("v6-link-local", Names, "http://[fe80::1]:{port}{here}", LINK_LOCAL),
    url("v6-site-local", Names, "http://[fec0::1]:{port}{here}", NOT_GLOBAL),
    url("v6-multicast", Names, "http://[ff02::1]:{port}{here}", MULTICAST),
    url("v6-discard", Names, "http://[100::1]:{port}{here}", NOT_GLOBAL),
    url("v6-segment-routing", Names, "http://[5f00::1]:{port}{here}", NOT_GLOBAL),
    url("v6-documentation", Names, "http://[2001:db8::1]:{port}{here}", DOCUMENTATION),
    url("v6-documentation-new", Names, "http://[3fff::1]:{port}{here}", DOCUMENTATION),
    url("v6-zone", Names, "http://[fe80::1%25eth0]:{port}{here}", INVALID),
    url("v6-zone-unencoded", Names, "http://[::1%lo]:{port}{here}", INVALID),
    url("v6-no-brackets", Names, "http://::1:{port}{here}", INVALID),
    url("v6-open-bracket", Names, "http://[::1:{port}{here}", INVALID),
    url("v6-after-bracket", Names, "http://[::1]x:{port}{here}", INVALID),
    url("v6-future-form", Names, "http://[v1.::1]:{port}{here}", INVALID),

    // Internationalised names.
    case("idn-written-in-unicode", Named, "http://bücher.named.test:{port}{here}", &[("xn--bcher-kva.named.test", "127.0.0.1")], REACHES),
    case("idn-written-in-ascii", Named, "http://XN--SPTZLE-BUA.named.test:{port}{here}", &[("xn--sptzle-bua.named.test", "127.0.0.1")], REACHES),
    case("idn-fullwidth-letters", Named, "http://ｗｉｄｅ.named.test:{port}{here}", &[("wide.named.test", "127.0.0.1")], REACHES),
    case("idn-entry-in-unicode", Names, "http://xn--bcher-kva.example:{port}{here}", &[("xn--bcher-kva.example", "10.0.0.1")], PRIVATE),
    url("idn-homoglyph-of-parent", Names, "https://us.sеntry.io/", STRANGER), // a Cyrillic е
    url("idn-homoglyph-of-dot", Names, "https://us․sentry․io/", INVALID), // one dot leaders
    url("idn-sharp-s-is-not-two", Names, "http://straße.example:{port}{here}", STRANGER),
    case("idn-homoglyph-below", Names, "http://аpi.example.test:{port}{here}", &[("xn--pi-6kc.example.test", "10.0.0.1")], PRIVATE), // a Cyrillic а: another name
    url("idn-broken-ascii-form", Names, "http://xn--a.example.test:{port}{here}", INVALID),
    url("idn-ascii-form-of-ascii", Names, "http://xn--localhost-.example.test:{port}{here}", INVALID),
    url("idn-zero-width-joiner-in-digits", Names, "http://127.0\u{200d}.0.1:{port}{here}", INVALID),
    url("idn-right-to-left-override", Names, "http://\u{202e}1.0.0.721:{port}{here}", INVALID),

    // What names resolve to.
    case("dns-loopback", Names, "http://loopback.example.test:{port}{here}", &[("loopback.example.test", "127.0.0.1")], LOOPBACK),
    case("dns-loopback-https", Names, "https://loopback-https.example.test/", &[("loopback-https.example.test", "127.0.0.1")], LOOPBACK),
    case("dns-loopback-v6", Names, "http://loopback6.example.test:{port}{here}", &[("loopback6.example.test", "::1")], LOOPBACK),
    case("dns-unspecified", Names, "http://zero.example.test:{port}{here}", &[("zero.example.test", "0.0.0.0")], THIS_HOST),
    case("dns-unspecified-v6", Names, "http://zero6.example.test:{port}{here}", &[("zero6.example.test", "::")], NOT_GLOBAL),
    case("dns-private", Names, "http://private.example.test:{port}{here}", &[("private.example.test", "10.1.2.3")], PRIVATE),
    case("dns-unique-local", Names, "http://ula.example.test:{port}{here}", &[("ula.example.test", "fd00::1")], PRIVATE),
    case("dns-link-local-v6", Names, "http://ll6.example.test:{port}{here}", &[("ll6.example.test", "fe80::1")], LINK_LOCAL),
    case("dns-cgnat", Names, "http://cgnat.example.test:{port}{here}", &[("cgnat.example.test", "100.64.0.1")], CGNAT),
    case("dns-broadcast", Names, "http://broadcast.example.test:{port}{here}", &[("broadcast.example.test", "255.255.255.255")], &[DeniedAddress("broadcast")]),
    case("dns-multicast", Names, "http://multicast.example.test:{port}{here}", &[("multicast.example.test", "224.0.0.1")], MULTICAST),
    case("dns-metadata", Names, "http://metadata.example.test:{port}{here}", &[("metadata.example.test", "169.254.169.254")], METADATA),
    case("dns-metadata-azure", Names, "http://azure.example.test:{port}{here}", &[("azure.example.test", "168.63.129.16")], METADATA),
    case("dns-metadata-aws-v6", Names, "http://aws6.example.test:{port}{here}", &[("aws6.example.test", "fd00:ec2::254")], PRIVATE),
    case("dns-mapped", Names, "http://mapped.example.test:{port}{here}", &[("mapped.example.test", "::ffff:127.0.0.1")], LOOPBACK),
    case("dns-compatible", Names, "http://compatible.example.test:{port}{here}", &[("compatible.example.test", "::127.0.0.1")], NOT_GLOBAL),
    case("dns-nat64", Names, "http://nat64.example.test:{port}{here}", &[("nat64.example.test", "64:ff9b::7f00:1")], NOT_GLOBAL),
    case("dns-nat64-local", Names, "http://nat64l.example.test:{port}{here}", &[("nat64l.example.test", "64:ff9b:1::7f00:1")], NOT_GLOBAL),
    case("dns-6to4", Names, "http://6to4.example.test:{port}{here}", &[("6to4.example.test", "2002:7f00:1::")], &[DeniedAddress("6to4")]),
    case("dns-teredo", Names, "http://teredo.example.test:{port}{here}", &[("teredo.example.test", "2001::1")], &[DeniedAddress("Teredo")]),
    case("dns-public-and-private", Names, "http://two.example.test:{port}{here}", &[("two.example.test", "93.184.215.14 10.0.0.1")], PRIVATE),
    case("dns-private-and-public", Names, "http://three.example.test:{port}{here}", &[("three.example.test", "10.0.0.1 93.184.215.14")], PRIVATE),
    case("dns-public-v4-and-loopback-v6", Names, "http://four.example.test:{port}{here}", &[("four.example.test", "93.184.215.14 ::1")], LOOPBACK),
    case("dns-public-v6-and-loopback-v4", Names, "http://five.example.test:{port}{here}", &[("five.example.test", "2606:4700::1 127.0.0.1")], LOOPBACK),
    case("dns-localhost", Names, "http://localhost:{port}{here}", &[], LOOPBACK),
    case("dns-localhost-trailing-dot", Names, "http://LOCALHOST.:{port}{here}", &[], LOOPBACK),
    case("dns-below-localhost", Names, "http://any.localhost:{port}{here}", &[], LOOPBACK),
    case("dns-alias-to-private", Names, "http://alias.example.test:{port}{here}", &[("alias.example.test", "cname=inner.test"), ("inner.test", "10.0.0.1")], PRIVATE),
    case("dns-alias-with-its-address", Names, "http://alias2.example.test:{port}{here}", &[("alias2.example.test", "cname=inner2.test 127.0.0.1")], LOOPBACK),
    case("dns-aliases-in-a-row", Names, "http://alias3.example.test:{port}{here}", &[("alias3.example.test", "cname=one.test"), ("one.test", "cname=two.test"), ("two.test", "cname=three.test"), ("three.test", "::1")], LOOPBACK),
    case("dns-alias-to-localhost", Names, "http://alias4.example.test:{port}{here}", &[("alias4.example.test", "cname=localhost")], LOOPBACK),
    case("dns-alias-loop", Names, "http://alias5.example.test:{port}{here}", &[("alias5.example.test", "cname=alias6.example.test"), ("alias6.example.test", "cname=alias5.example.test")], UNKNOWN),
    case("dns-alias-to-nothing", Names, "http://alias7.example.test:{port}{here}", &[("alias7.example.test", "cname=nothing.test")], UNKNOWN),
    case("dns-alias-to-named", Named, "http://alias8.named.test:{port}{here}", &[("alias8.named.test", "cname=eight.test"), ("eight.test", "127.0.0.1")], REACHES),
    case("dns-empty", Names, "http://empty.example.test:{port}{here}", &[("empty.example.test", "empty")], UNKNOWN),
    case("dns-no-such-name", Names, "http://missing.example.test:{port}{here}", &[], UNKNOWN),
    case("dns-server-fails", Names, "http://fails.example.test:{port}{here}", &[("fails.example.test", "servfail")], UNKNOWN),
    case("dns-silent", Names, "http://silent.example.test:{port}{here}", &[("silent.example.test", "silent")], UNKNOWN),
    case("dns-v6-fails-v4-private", Names, "http://half.example.test:{port}{here}", &[("half.example.test", "10.0.0.1 aaaa=servfail")], PRIVATE),
    case("dns-v4-fails-v6-loopback", Names, "http://half2.example.test:{port}{here}", &[("half2.example.test", "::1 a=servfail")], LOOPBACK),
    case("dns-v6-fails-v4-named", Named, "http://half3.named.test:{port}{here}", &[("half3.named.test", "127.0.0.1 aaaa=servfail")], REACHES),
    case("dns-v4-fails-v6-named", Named, "http://half4.named.test:{port}{here}", &[("half4.named.test", "::1 a=servfail")], REACHES),
    case("dns-v6-silent-v4-named", Named, "http://half5.named.test:{port}{here}", &[("half5.named.test", "127.0.0.1 aaaa=silent")], REACHES),
    case("dns-v4-silent-v6-private", Names, "http://half6.example.test:{port}{here}", &[("half6.example.test", "fd00::1 a=silent")], PRIVATE),
    case("dns-named-and-neighbour", Named, "http://beside.named.test:{port}{here}", &[("beside.named.test", "127.0.0.1 127.0.0.2")], LOOPBACK),
    case("dns-named-and-public", Named, "http://beside2.named.test:{port}{here}", &[("beside2.named.test", "10.0.0.1 127.0.0.1 ::1")], PRIVATE),
    case("dns-more-than-udp-holds", Named, "http://many.named.test:{port}{here}", &[("many.named.test", "addresses=200")], UNKNOWN),
    case("dns-decoy-scheme-and-port", Decoy, "http://decoy.decoy.test:{port}{here}", &[("decoy.decoy.test", "127.0.0.1")], LOOPBACK),
    url("decoy-literal", Decoy, "http://127.0.0.1:{port}{here}", LOOPBACK),

    // Names that change between two lookups. A call looks up once and connects to what it found.
    case("rebind-good-then-private", Named, "http://rebind.named.test:{port}{here}", &[("rebind.named.test", "127.0.0.1 then 10.0.0.1")], &[Reaches, DeniedAddress("private"), DeniedAddress("private")]),
    case("rebind-good-then-neighbour", Named, "http://rebind2.named.test:{port}{here}", &[("rebind2.named.test", "127.0.0.1 then 127.0.0.2")], &[Reaches, DeniedAddress("loopback")]),
    case("rebind-private-then-good", Named, "http://rebind3.named.test:{port}{here}", &[("rebind3.named.test", "10.0.0.1 then 127.0.0.1")], &[DeniedAddress("private"), Reaches]),
    case("rebind-good-then-both", Named, "http://rebind4.named.test:{port}{here}", &[("rebind4.named.test", "127.0.0.1 then 127.0.0.1 169.254.169.254")], &[Reaches, DeniedAddress("metadata")]),
    case("rebind-alias-moves", Named, "http://rebind5.named.test:{port}{here}", &[("rebind5.named.test", "cname=moving.test"), ("moving.test", "127.0.0.1 then 10.0.0.1 then 127.0.0.1")], &[Reaches, DeniedAddress("private"), Reaches]),
    case("rebind-goes-away", Named, "http://rebind6.named.test:{port}{here}", &[("rebind6.named.test", "127.0.0.1 then empty")], &[Reaches, Dns]),
    case("rebind-public-pair-then-private", Names, "http://rebind7.example.test:{port}{here}", &[("rebind7.example.test", "93.184.215.14 10.0.0.1 then 10.0.0.1 93.184.215.14")], &[DeniedAddress("private"), DeniedAddress("private")]),

    // The hub itself.
    url("hub-literal", Nothing, "http://127.0.0.1:{hub}/health", HUB_ADDRESS),
    url("hub-literal-decimal", Named, "http://2130706433:{hub}/health", HUB_ADDRESS),
    url("hub-literal-mapped", Hub, "http://[::ffff:127.0.0.1]:{hub}/health", HUB_ADDRESS),
    url("hub-literal-https", Hub, "https://127.0.0.1:{hub}/health", HUB_ADDRESS),
    url("hub-neighbour-is-just-loopback", Hub, "http://127.0.0.2:{hub}/health", LOOPBACK),
    case("hub-by-name", Hub, "http://inside.hub.test:{hub}/health", &[("inside.hub.test", "127.0.0.1")], HUB_ADDRESS),
    case("hub-by-name-https", Hub, "https://inside-https.hub.test:{hub}/health", &[("inside-https.hub.test", "127.0.0.1")], HUB_ADDRESS),
    case("hub-by-name-mapped", Hub, "http://mapped.hub.test:{hub}/health", &[("mapped.hub.test", "::ffff:127.0.0.1")], HUB_ADDRESS),
    case("hub-by-alias", Hub, "http://alias.hub.test:{hub}/health", &[("alias.hub.test", "cname=there.test"), ("there.test", "127.0.0.1")], HUB_ADDRESS),
    case("hub-beside-public", Hub, "http://beside.hub.test:{hub}/health", &[("beside.hub.test", "93.184.215.14 127.0.0.1")], HUB_ADDRESS),
    url("hub-public-name", Hub, "https://bulkhead.hub.test/mcp", HUB_NAME),
    url("hub-public-name-spelled-otherwise", Hub, "https://BULKHEAD.hub.test.:443/mcp", HUB_NAME),
    url("hub-public-name-at-own-port", Hub, "http://bulkhead.hub.test:{hub}/mcp", HUB_NAME),

    // Redirects: handed back by the gate, and checked anew when somebody follows them.
    via(301, "redirect-to-loopback", "http://127.0.0.2:{port}{here}", LOOPBACK),
    via(302, "redirect-to-private", "http://10.0.0.1{here}", PRIVATE),
    via(303, "redirect-to-metadata", "http://169.254.169.254/latest/meta-data/", METADATA),
    via(307, "redirect-to-metadata-decimal", "http://2852039166/latest/meta-data/", METADATA),
    via(308, "redirect-to-metadata-v6", "http://[fd00:ec2::254]/latest/meta-data/", PRIVATE),
    via(301, "redirect-to-mapped", "http://[::ffff:10.0.0.1]{here}", PRIVATE),
    via(302, "redirect-to-nat64", "http://[64:ff9b::a00:1]{here}", NOT_GLOBAL),
    via(307, "redirect-to-6to4", "http://[2002:a00:1::]{here}", &[DeniedAddress("6to4")]),
    via(308, "redirect-to-unique-local", "http://[fd00::1]{here}", PRIVATE),
    via(301, "redirect-to-link-local", "http://[fe80::1]{here}", LINK_LOCAL),
    via(302, "redirect-to-unspecified", "http://0.0.0.0:{port}{here}", THIS_HOST),
    via(307, "redirect-to-cgnat", "http://100.64.0.1{here}", CGNAT),
    via(308, "redirect-to-multicast", "http://224.0.0.1{here}", MULTICAST),
    via(301, "redirect-to-stranger", "https://evil.net/", STRANGER),
    via(302, "redirect-to-localhost", "http://localhost:{port}{here}", STRANGER),
    via(307, "redirect-to-other-port", "http://127.0.0.1:22/", LOOPBACK),
    via(308, "redirect-to-other-scheme", "https://127.0.0.1:{port}{here}", LOOPBACK),
    via(301, "redirect-to-user", "http://127.0.0.1:{port}@10.0.0.1{here}", INVALID),
    via(302, "redirect-to-file", "file:///etc/passwd", INVALID),
    via(307, "redirect-to-gopher", "gopher://127.0.0.1:{port}/_x", INVALID),
    via(308, "redirect-without-scheme", "//127.0.0.2:{port}{here}", LOOPBACK),
    via(301, "redirect-without-scheme-to-stranger", "//evil.net{here}", STRANGER),
    via(302, "redirect-relative", "{here}", REACHES),
    via(307, "redirect-up-and-down", "../..{here}", REACHES),
    via(308, "redirect-to-named", "http://127.0.0.1:{port}{here}", REACHES),
    via(301, "redirect-to-the-hub", "http://127.0.0.1:{hub}/health", HUB_ADDRESS),
    Case { dns: &[("moved.named.test", "10.0.0.1")], ..via(302, "redirect-to-name-that-is-private", "http://moved.named.test:{port}{here}", PRIVATE) },
    Case { dns: &[("moved2.named.test", "127.0.0.1")], ..via(308, "redirect-to-name-that-is-named", "http://moved2.named.test:{port}{here}", REACHES) },
];
