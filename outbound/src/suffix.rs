//! Names below which others can register names of their own: the Public Suffix List (<https://publicsuffix.org>), ICANN's
//! section and the private one.

use psl::Psl;

use super::host::HostName;

/// Whether a wildcard over `name` would cover all that is below some public suffix: `name` is one itself (`co.uk`,
/// `github.io`), or stands above one (`amazonaws.com` above `s3.amazonaws.com`, `kawasaki.jp` above each city's).
///
/// A name that the list does not know, such as `corp.internal`, is nobody's but its owner's.
pub(super) fn covers_public_suffix(name: &HostName) -> bool {
    // The list is a tree that is walked label by label: it asks for one more label exactly where rules go deeper.
    let mut goes_deeper = false;
    let end = std::iter::from_fn(|| {
        goes_deeper = true;
        None
    });
    let found = psl::List.find(name.as_str().rsplit('.').map(str::as_bytes).chain(end));
    goes_deeper || (found.typ.is_some() && found.len == name.as_str().len())
}
