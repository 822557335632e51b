//! The `Link` header (RFC 8288), by which some upstreams give their pages.

use super::Response;

/// One link of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    params: Vec<(String, String)>,
}

impl Link {
    /// A parameter such as `rel` or `cursor`, whose name is given in lower case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether this is the link of a relation such as `next`; one link may have several.
    #[must_use]
    pub fn is(&self, relation: &str) -> bool {
        self.param("rel").is_some_and(|rel| rel.split_whitespace().any(|one| one.eq_ignore_ascii_case(relation)))
    }
}

impl Response {
    /// Every link of every `Link` header. What is malformed ends the list of its header.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.headers("link").flat_map(parse).collect()
    }

    /// The cursor of the next page where the upstream gives it as a parameter of a link, as Sentry does:
    /// `<url>; rel="next"; results="true"; cursor="0:100:0"`. `None` when `results` says that nothing follows.
    #[must_use]
    pub fn next_cursor(&self) -> Option<String> {
        let links = self.links();
        let next = links.iter().find(|link| link.is("next"))?;
        let more = next.param("results").is_none_or(|results| results == "true");
        next.param("cursor").filter(|cursor| more && !cursor.is_empty()).map(str::to_owned)
    }
}

fn parse(header: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut rest = header.trim_start();
    while let Some((url, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        let mut link = Link { url: url.to_owned(), params: Vec::new() };
        rest = after.trim_start();
        while let Some(after) = rest.strip_prefix(';') {
            let (param, after) = param(after.trim_start());
            link.params.extend(param);
            rest = after.trim_start();
        }
        links.push(link);
        let Some(after) = rest.strip_prefix(',') else { break };
        rest = after.trim_start();
    }
    links
}

/// One `name=value` or `name="value"` and what follows it. Between semicolons there may also be nothing.
fn param(text: &str) -> (Option<(String, String)>, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.trim().to_ascii_lowercase();
    let (value, rest) = match rest.strip_prefix('=').map(str::trim_start) {
        Some(value) if value.starts_with('"') => quoted(&value[1..]),
        Some(value) => {
            let end = value.find([';', ',']).unwrap_or(value.len());
            (value[..end].trim().to_owned(), &value[end..])
        }
        None => (String::new(), rest),
    };
    ((!name.is_empty()).then_some((name, value)), rest)
}

/// A quoted string after its opening quote, in which a backslash takes the next character as it is.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::contract::HttpResponse;
    use crate::http::Response;

    fn answer(links: &[&str]) -> Response {
        let headers = links.iter().map(|link| ("link".to_owned(), (*link).to_owned())).collect();
        Response::new(HttpResponse { status: 200, headers, body: Vec::new() }, "https://a.example", 0)
    }

    const PREVIOUS: &str =
        r#"<https://a.example/?x=1,2&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1""#;

    #[test]
    fn a_cursor_is_followed_while_there_are_results() {
        let next = |results: &str| {
            answer(&[&format!(
                r#"{PREVIOUS}, <https://a.example/?cursor=0:100:0>; rel="next"; results="{results}"; cursor="0:100:0""#
            )])
        };
        assert_eq!(next("true").next_cursor().as_deref(), Some("0:100:0"));
        assert_eq!(next("false").next_cursor(), None);
        assert_eq!(answer(&[PREVIOUS]).next_cursor(), None);
        assert_eq!(answer(&[]).next_cursor(), None);
        let two_headers = answer(&[PREVIOUS, r#"<https://a.example/>;rel=next;cursor="b""#]);
        assert_eq!(two_headers.next_cursor().as_deref(), Some("b"));
    }

    #[test]
    fn quotes_commas_and_several_relations() {
        let links = parse(r#"<https://a/x,y;z>;  REL = "last NEXT" ; title="a \"b\", c;d";flag , </rel>;rel=prev"#);
        assert_eq!(links.len(), 2);
        assert_eq!(links[0].url, "https://a/x,y;z");
        assert!(links[0].is("next") && links[0].is("last") && !links[0].is("prev"));
        assert_eq!(links[0].param("title"), Some("a \"b\", c;d"));
        assert_eq!(links[0].param("flag"), Some(""));
        assert!(links[1].is("prev"));
    }

    #[test]
    fn nonsense_is_no_link() {
        for header in ["", "next", "<https://a", ">;rel=next", "<https://a>; rel=\"next", "<https://a>;;;=;\u{e9}=\"\\"]
        {
            assert_eq!(answer(&[header]).next_cursor(), None, "{header}");
        }
    }
}
