//! The order of `docs/routing.md`, rule by rule, and the table against a list that is tried from end to end.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use regex::Regex;

use super::{Conditions, Host, Lookup, Path, Table};

/// A route written as `host path`, each `-` when there is none; `~` starts a regex, a final `*` makes a prefix.
fn when(route: &str) -> Conditions {
    let (host, path) = route.split_once(' ').unwrap();
    Conditions {
        host: match (host, host.strip_prefix("*.")) {
            ("-", _) => None,
            (_, Some(suffix)) => Some(Host::Wildcard(suffix.to_owned())),
            (name, None) => Some(Host::Exact(name.to_owned())),
        },
        path: match (path, path.strip_prefix('~'), path.strip_suffix('*')) {
            ("-", ..) => None,
            (_, Some(regex), _) => Some(Path::Regex(Regex::new(regex).unwrap())),
            (_, _, Some(prefix)) => Some(Path::Prefix(prefix.to_owned())),
            (exact, ..) => Some(Path::Exact(exact.to_owned())),
        },
        ..Conditions::default()
    }
}

/// A table of routes that lead to what they are written as.
fn table<'a>(routes: &[&'a str]) -> Table<&'a str> {
    Table::new(routes.iter().map(|route| (when(route), *route)).collect())
}

/// Where a GET without fields or query goes; `none` when nowhere.
fn get<'a>(table: &Table<&'a str>, host: &str, path: &str) -> &'a str {
    let headers = HeaderMap::new();
    let request = Lookup { host, path, query: None, method: &Method::GET, headers: &headers };
    table.find(&request).copied().unwrap_or("none")
}

#[test]
fn a_table_without_routes_takes_nothing() {
    assert_eq!(get(&table(&[]), "a.example", "/"), "none");
}

#[test]
fn a_route_without_conditions_takes_everything() {
    let table = table(&["- -"]);
    for (host, path) in [("a.example", "/"), ("", "*"), ("[::1]:80", "")] {
        assert_eq!(get(&table, host, path), "- -");
    }
}

#[test]
fn exact_host_before_wildcards_before_none() {
    let table = table(&["- -", "*.example -", "*.b.example -", "a.b.example -"]);
    assert_eq!(get(&table, "a.b.example", "/"), "a.b.example -");
    assert_eq!(get(&table, "c.b.example", "/"), "*.b.example -");
    assert_eq!(get(&table, "x.a.b.example", "/"), "*.b.example -", "any number of labels");
    assert_eq!(get(&table, "b.example", "/"), "*.example -");
    assert_eq!(get(&table, "example", "/"), "- -", "a wildcard wants a label before it");
    assert_eq!(get(&table, ".example", "/"), "- -", "and not an empty one");
    assert_eq!(get(&table, "xexample", "/"), "- -");
    assert_eq!(get(&table, "", "/"), "- -");
}

#[test]
fn a_host_is_found_however_it_is_written() {
    let table = table(&["a.example -", "*.b.example -", "[::1] -", "192.0.2.1 -"]);
    for host in ["a.example", "A.Example:8080", "a.example.", "a.EXAMPLE.:80"] {
        assert_eq!(get(&table, host, "/"), "a.example -", "{host}");
    }
    assert_eq!(get(&table, "X.B.example.:443", "/"), "*.b.example -");
    assert_eq!(get(&table, "[::1]:443", "/"), "[::1] -");
    assert_eq!(get(&table, "192.0.2.1:443", "/"), "192.0.2.1 -");
}

#[test]
fn host_goes_before_path() {
    let table = table(&["- /exact", "*.example /exact", "a.example /*"]);
    assert_eq!(get(&table, "a.example", "/exact"), "a.example /*");
    assert_eq!(get(&table, "b.example", "/exact"), "*.example /exact");
}

#[test]
fn a_host_whose_paths_do_not_fit_leaves_the_request_to_less_specific_hosts() {
    let table = table(&["a.b.example /x", "*.b.example /y", "*.example /z*", "- -"]);
    assert_eq!(get(&table, "a.b.example", "/x"), "a.b.example /x");
    assert_eq!(get(&table, "a.b.example", "/y"), "*.b.example /y");
    assert_eq!(get(&table, "a.b.example", "/zz"), "*.example /z*");
    assert_eq!(get(&table, "a.b.example", "/"), "- -");
}

#[test]
fn exact_path_then_regex_then_longest_prefix_then_none() {
    let table = table(&["- -", "- /*", "- /api/*", "- /api/v1/*", "- ~^/api/v[0-9]/users$", "- /api/v1/users"]);
    assert_eq!(get(&table, "h", "/api/v1/users"), "- /api/v1/users");
    assert_eq!(get(&table, "h", "/api/v2/users"), "- ~^/api/v[0-9]/users$");
    assert_eq!(get(&table, "h", "/api/v1/things"), "- /api/v1/*");
    assert_eq!(get(&table, "h", "/api/v2/things"), "- /api/*");
    assert_eq!(get(&table, "h", "/other"), "- /*");
    assert_eq!(get(&table, "h", "*"), "- -", "OPTIONS * has no path");
}

#[test]
fn regexes_are_tried_in_the_order_of_the_file_and_match_anywhere_unless_anchored() {
    let table = table(&["- ~b", "- ~^/a"]);
    assert_eq!(get(&table, "h", "/ab"), "- ~b");
    assert_eq!(get(&table, "h", "/a"), "- ~^/a");
    assert_eq!(get(&table, "h", "/c/a"), "none");
}

#[test]
fn a_prefix_is_text_not_segments() {
    let table = table(&["- /v1*", "- /v2/*"]);
    for path in ["/v1", "/v1/x", "/v10", "/v1.html"] {
        assert_eq!(get(&table, "h", path), "- /v1*", "{path}");
    }
    assert_eq!(get(&table, "h", "/v2/"), "- /v2/*");
    assert_eq!(get(&table, "h", "/v2"), "none");
}

#[test]
fn a_shorter_prefix_is_found_behind_longer_ones_that_do_not_fit() {
    let table = table(&["- /a*", "- /a/b/c*", "- /a/b/d*", "- /a/b/d/e*", "- /b*"]);
    assert_eq!(get(&table, "h", "/a/b/cc"), "- /a/b/c*");
    assert_eq!(get(&table, "h", "/a/b/z"), "- /a*");
    assert_eq!(get(&table, "h", "/a/b/d/f"), "- /a/b/d*");
    assert_eq!(get(&table, "h", "/aé"), "- /a*");
    assert_eq!(get(&table, "h", "/"), "none");
    assert_eq!(get(&table, "h", "/c"), "none");
}

#[test]
fn paths_are_compared_as_they_are_given() {
    let table = table(&["- /admin*", "- /a%20b", "- /*"]);
    assert_eq!(get(&table, "h", "/a%20b"), "- /a%20b");
    for path in ["/%61dmin", "/x/../admin", "//admin", "/Admin", "/a b"] {
        assert_eq!(get(&table, "h", path), "- /*", "{path}");
    }
}

#[test]
fn more_conditions_before_fewer_then_the_order_of_the_file() {
    let mut one = when("- /x");
    one.methods = vec![Method::GET, Method::HEAD];
    let mut two = when("- /x");
    two.headers = vec![(HeaderName::from_static("x-env"), "canary".to_owned())];
    two.query = vec![("beta".to_owned(), "1".to_owned())];
    let routes = vec![(when("- /x"), "none"), (one.clone(), "one"), (one, "one, later"), (two, "two")];
    let table = Table::new(routes);

    let mut headers = HeaderMap::new();
    headers.insert("x-env", HeaderValue::from_static("canary"));
    let request = Lookup { host: "h", path: "/x", query: Some("beta=1"), method: &Method::GET, headers: &headers };
    assert_eq!(table.find(&request), Some(&"two"));
    assert_eq!(table.find(&Lookup { query: None, ..request }), Some(&"one"));
    assert_eq!(table.find(&Lookup { query: None, method: &Method::PUT, ..request }), Some(&"none"));
}

#[test]
fn other_conditions_that_fail_leave_the_request_to_the_next_most_specific() {
    let only_post = |route| Conditions { methods: vec![Method::POST], ..when(route) };
    let table = Table::new(vec![
        (only_post("a.example /api/x"), "exact"),
        (only_post("a.example ~^/api/.$"), "regex"),
        (only_post("a.example /api/*"), "prefix"),
        (only_post("a.example /*"), "shorter prefix"),
        (only_post("a.example -"), "no path"),
        (only_post("*.example /api/x"), "wildcard"),
        (when("- /api/*"), "no host"),
    ]);
    assert_eq!(get(&table, "a.example", "/api/x"), "no host");
    let headers = HeaderMap::new();
    let post = Lookup { host: "a.example", path: "/api/x", query: None, method: &Method::POST, headers: &headers };
    assert_eq!(table.find(&post), Some(&"exact"));
    assert_eq!(table.find(&Lookup { path: "/api/y", ..post }), Some(&"regex"));
    assert_eq!(table.find(&Lookup { path: "/api/yy", ..post }), Some(&"prefix"));
    assert_eq!(table.find(&Lookup { path: "/y", ..post }), Some(&"shorter prefix"));
    assert_eq!(table.find(&Lookup { path: "*", ..post }), Some(&"no path"));
}

/// The example in `docs/routing.md`, with its numbers.
#[test]
fn the_documented_example_holds() {
    let mut canary = when("api.example.com /v1/*");
    canary.headers = vec![(HeaderName::from_static("x-env"), "canary".to_owned())];
    let reports = Conditions { methods: vec![Method::GET], ..when("api.example.com ~^/v1/reports/[0-9]+$") };
    let table = Table::new(vec![
        (when("api.example.com /v1/*"), 1),
        (canary, 2),
        (reports, 3),
        (when("*.example.com /healthz"), 4),
        (when("- /old/*"), 5),
    ]);
    let (plain, mut env) = (HeaderMap::new(), HeaderMap::new());
    env.insert("x-env", HeaderValue::from_static("canary"));
    let get = Lookup { host: "api.example.com", path: "/v1/users", query: None, method: &Method::GET, headers: &plain };
    let report = Lookup { path: "/v1/reports/7", ..get };
    for (request, number) in [
        (get, Some(1)),
        (Lookup { headers: &env, ..get }, Some(2)),
        (report, Some(3)),
        (Lookup { method: &Method::POST, ..report }, Some(1)),
        (Lookup { path: "/healthz", ..get }, Some(4)),
        (Lookup { host: "API.example.com:443", path: "/healthz", ..get }, Some(4)),
        (Lookup { host: "www.example.com", path: "/old/page", ..get }, Some(5)),
        (Lookup { host: "www.example.com", path: "/", ..get }, None),
    ] {
        assert_eq!(table.find(&request).copied(), number, "{request:?}");
    }
}

// ---------------------------------------------------------------- against the naive list

/// How specific a route is for a request that it takes; `None` when it doesn't take it.
fn rank(when: &Conditions, request: &Lookup<'_>) -> Option<(usize, usize, usize)> {
    let host = request.host.to_lowercase();
    let host = host.split(':').next()?.trim_end_matches('.').to_owned();
    let by_host = match &when.host {
        None => 0,
        Some(Host::Wildcard(suffix)) => {
            host.strip_suffix(&format!(".{suffix}")).filter(|rest| !rest.is_empty()).map(|_| 1 + suffix.len())?
        }
        Some(Host::Exact(name)) => (*name == host).then_some(usize::MAX)?,
    };
    let by_path = match &when.path {
        None => 0,
        Some(Path::Prefix(prefix)) => request.path.starts_with(prefix.as_str()).then_some(1 + prefix.len())?,
        Some(Path::Regex(regex)) => regex.is_match(request.path).then_some(usize::MAX - 1)?,
        Some(Path::Exact(path)) => (path == request.path).then_some(usize::MAX)?,
    };
    let methods = when.methods.is_empty() || when.methods.contains(request.method);
    let headers = when.headers.iter().all(|(name, value)| request.headers.get(name).is_some_and(|v| v == value));
    let query =
        when.query.iter().all(|(n, v)| request.query.is_some_and(|q| q.split('&').any(|p| p == format!("{n}={v}"))));
    let others = usize::from(!when.methods.is_empty()) + when.headers.len() + when.query.len();
    (methods && headers && query).then_some((by_host, by_path, others))
}

/// The most specific of all, the first among equals.
fn naive(routes: &[(Conditions, usize)], request: &Lookup<'_>) -> Option<usize> {
    let ranked = routes.iter().filter_map(|(when, number)| Some((rank(when, request)?, *number)));
    ranked.max_by_key(|(rank, number)| (*rank, std::cmp::Reverse(*number))).map(|(_, number)| number)
}

fn some_text(rng: &mut fastrand::Rng, separator: &str, most: usize) -> String {
    let pieces: Vec<_> = (0..rng.usize(1..=most)).map(|_| ["a", "b", "ab"][rng.usize(..3)]).collect();
    pieces.join(separator)
}

fn some_conditions(rng: &mut fastrand::Rng) -> Conditions {
    Conditions {
        host: match rng.u8(..4) {
            0 => None,
            1 => Some(Host::Exact(some_text(rng, ".", 3))),
            _ => Some(Host::Wildcard(some_text(rng, ".", 2))),
        },
        path: match rng.u8(..8) {
            0 => None,
            1 | 2 => Some(Path::Exact(format!("/{}", some_text(rng, "/", 3)))),
            3 => Some(Path::Regex(Regex::new(["a$", "^/b", "/ab/"][rng.usize(..3)]).unwrap())),
            _ => Some(Path::Prefix(format!("/{}", some_text(rng, "/", 4)))),
        },
        methods: if rng.u8(..4) == 0 { vec![Method::POST] } else { Vec::new() },
        headers: (0..2).filter(|_| rng.u8(..6) == 0).map(|n| (header(n), "1".to_owned())).collect(),
        query: (0..2).filter(|_| rng.u8(..6) == 0).map(|n| (format!("q{n}"), "1".to_owned())).collect(),
    }
}

fn header(number: usize) -> HeaderName {
    HeaderName::from_static(["x-a", "x-b"][number])
}

#[test]
fn finds_what_trying_all_routes_finds() {
    let mut rng = fastrand::Rng::with_seed(0x5eed);
    let mut found = 0;
    for round in 0..300 {
        let routes: Vec<_> = (0..rng.usize(..60)).map(|number| (some_conditions(&mut rng), number)).collect();
        let table = Table::new(routes.clone());
        for _ in 0..60 {
            let mut host = some_text(&mut rng, ".", 4);
            host.push_str(["", ":80", ".", ".:80"][rng.usize(..4)]);
            if rng.bool() {
                host = host.to_uppercase();
            }
            let path = format!("/{}", some_text(&mut rng, "/", 5));
            let mut headers = HeaderMap::new();
            (0..2).filter(|_| rng.bool()).for_each(|n| {
                headers.insert(header(n), HeaderValue::from_static("1"));
            });
            let query = ["q0=1", "q1=1", "q0=1&q1=1", "q0=2"].get(rng.usize(..6)).copied();
            let method = if rng.bool() { Method::GET } else { Method::POST };
            let request = Lookup { host: &host, path: &path, query, method: &method, headers: &headers };
            let want = naive(&routes, &request);
            assert_eq!(table.find(&request).copied(), want, "round {round}: {request:?} among {routes:#?}");
            found += usize::from(want.is_some());
        }
    }
    assert!(found > 5_000, "the requests must mostly be ones that some route takes: {found}");
}
