//! The conditions of a route beside host and path: methods, fields, query.

use http::{HeaderName, Method};

use super::Lookup;

/// The conditions of a route that are checked after host and path.
#[derive(Debug)]
pub(super) struct Predicates {
    methods: Vec<Method>,
    headers: Vec<(HeaderName, String)>,
    query: Vec<(String, String)>,
}

impl Predicates {
    pub(super) fn new(methods: Vec<Method>, headers: Vec<(HeaderName, String)>, query: Vec<(String, String)>) -> Self {
        Self { methods, headers, query }
    }

    /// How many conditions these are: each field and each parameter is one, the methods together are one (a longer list of
    /// methods takes more requests, so it doesn't make a route more specific).
    pub(super) fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.headers.len() + self.query.len()
    }

    /// Whether all of them hold.
    pub(super) fn hold(&self, request: &Lookup<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| is_same(method, request.method)))
            && self.headers.iter().all(|(name, value)| has_field(request, name, value))
            && self.query.iter().all(|(name, value)| has_parameter(request.query.unwrap_or(""), name, value))
    }
}

/// Whether a method is the one that a condition names. Case makes no difference: to HTTP `post` is not `POST` (RFC 9110, section 9.1), but a backend may
/// take it for that, and a route that protects must not be got past by it.
fn is_same(named: &Method, sent: &Method) -> bool {
    named == sent || named.as_str().eq_ignore_ascii_case(sent.as_str())
}

/// Whether one of the lines of the field is exactly `value`.
fn has_field(request: &Lookup<'_>, name: &HeaderName, value: &str) -> bool {
    request.headers.get_all(name).iter().any(|line| line.as_bytes() == value.as_bytes())
}

/// Whether one of the parameters is `name=value` once percent-decoded. A parameter without `=` has an empty value.
fn has_parameter(query: &str, name: &str, value: &str) -> bool {
    query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
        let (its_name, its_value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(its_name).eq(name.bytes()) && decoded(its_value).eq(value.bytes())
    })
}

/// The bytes of `text` with `%XX` decoded (RFC 3986, section 2.1). A `%` that no two hexadecimal digits follow stays as it
/// is; so does `+`, which means a space in forms only.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    percent_encoding::percent_decode_str(text)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn ask(methods: &[Method], headers: &[(&'static str, &str)], query: &[(&str, &str)]) -> Predicates {
        Predicates::new(
            methods.to_vec(),
            headers.iter().map(|(n, v)| (HeaderName::from_static(n), (*v).to_owned())).collect(),
            query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        )
    }

    fn request<'a>(method: &'a Method, headers: &'a HeaderMap, query: Option<&'a str>) -> Lookup<'a> {
        Lookup { host: "", path: "/", query, method, headers }
    }

    #[test]
    fn nothing_asked_holds_always() {
        assert!(ask(&[], &[], &[]).hold(&request(&Method::TRACE, &HeaderMap::new(), None)));
    }

    #[test]
    fn one_of_the_methods_is_enough_and_head_is_not_get() {
        let predicates = ask(&[Method::GET, Method::POST], &[], &[]);
        let none = HeaderMap::new();
        assert!(predicates.hold(&request(&Method::POST, &none, None)));
        assert!(!predicates.hold(&request(&Method::HEAD, &none, None)));
    }

    #[test]
    fn a_method_in_another_case_is_taken_for_the_same() {
        let (predicates, none) = (ask(&[Method::POST], &[], &[]), HeaderMap::new());
        for (method, holds) in [("post", true), ("PoSt", true), ("POST1", false), ("PUT", false)] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(predicates.hold(&request(&method, &none, None)), holds, "{method}");
        }
    }

    #[test]
    fn every_field_must_have_its_value_on_one_of_its_lines() {
        let predicates = ask(&[], &[("x-env", "canary"), ("x-team", "a")], &[]);
        let mut headers = HeaderMap::new();
        headers.append("x-env", HeaderValue::from_static("blue"));
        headers.append("x-env", HeaderValue::from_static("canary"));
        assert!(!predicates.hold(&request(&Method::GET, &headers, None)));
        headers.append("x-team", HeaderValue::from_static("a"));
        assert!(predicates.hold(&request(&Method::GET, &headers, None)));
    }

    #[test]
    fn a_field_value_is_compared_whole_and_with_its_case() {
        let predicates = ask(&[], &[("x-env", "canary")], &[]);
        for other in ["Canary", "canary2", "blue, canary", ""] {
            let mut headers = HeaderMap::new();
            headers.append("x-env", HeaderValue::from_static(other));
            assert!(!predicates.hold(&request(&Method::GET, &headers, None)), "{other}");
        }
    }

    #[test]
    fn a_parameter_is_compared_after_percent_decoding() {
        let none = HeaderMap::new();
        let holds = |name, value, query| ask(&[], &[], &[(name, value)]).hold(&request(&Method::GET, &none, query));
        assert!(holds("beta", "1", Some("a=2&beta=1")));
        assert!(holds("beta", "1", Some("b%65ta=%31")));
        assert!(holds("beta", "1", Some("beta=0&beta=1")), "any of several");
        assert!(holds("q", "é b", Some("q=%C3%a9%20b")));
        assert!(holds("q", "a=b", Some("q=a=b")));
        assert!(holds("q", "100%", Some("q=100%")), "a lone % is itself");
        assert!(holds("q", "%zz", Some("q=%zz")));
        assert!(holds("q", "", Some("q")) && holds("q", "", Some("q=")));
        assert!(!holds("q", "a b", Some("q=a+b")), "+ is a plus");
        assert!(!holds("beta", "1", Some("beta=10")) && !holds("beta", "1", Some("Beta=1")));
        assert!(!holds("beta", "1", None) && !holds("beta", "1", Some("")));
        assert!(!holds("", "", Some("a=1&&b=2")), "nothing between two & is no parameter");
    }

    #[test]
    fn methods_count_once_the_rest_one_by_one() {
        assert_eq!(ask(&[], &[], &[]).count(), 0);
        assert_eq!(ask(&[Method::GET, Method::PUT], &[("a", "1"), ("b", "1")], &[("c", "1")]).count(), 4);
    }
}
