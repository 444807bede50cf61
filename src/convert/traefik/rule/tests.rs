//! Rules that are read, and those that can't be.

use super::*;

fn told(text: &str) -> Vec<String> {
    let rule = read(text).unwrap();
    let one = |conditions: &Conditions| {
        let mut parts = Vec::new();
        match &conditions.host {
            Host::Any => {}
            Host::Exact(name) => parts.push(name.clone()),
            Host::Below(name) => parts.push(format!("*.{name}")),
        }
        match &conditions.path {
            Path::Any => {}
            Path::Exact(path) => parts.push(format!("={path}")),
            Path::Prefix(path) => parts.push(format!("{path}*")),
            Path::Regex(path) => parts.push(format!("~{path}")),
        }
        parts.extend(conditions.methods.iter().flatten().cloned());
        parts.extend(conditions.headers.iter().map(|(name, value)| format!("{name}:{value}")));
        parts.extend(conditions.query.iter().map(|(name, value)| format!("?{name}={value}")));
        parts.join(" ")
    };
    let clause = |clause: &Clause| {
        let not: Vec<_> = clause.not.iter().map(|not| format!(" not({})", one(not))).collect();
        format!("{}{}", one(&clause.is), not.concat())
    };
    rule.clauses.iter().map(clause).collect()
}

#[test]
fn rules_become_alternatives() {
    assert_eq!(told("Host(`a.example`) && PathPrefix(`/api`)"), ["a.example /api*"]);
    assert_eq!(told("Host(`a`) || Host(`b`) && Path(`/x`)"), ["a", "b =/x"]);
    assert_eq!(told("(Host(`a`) || Host(`b`)) && Path(`/x`)"), ["a =/x", "b =/x"]);
    assert_eq!(told("Method(`GET`) || Method(`post`)"), ["GET POST"]);
    assert_eq!(told("Host(`a`) && !PathPrefix(`/x`)"), ["a not(/x*)"]);
    assert_eq!(told("!(PathPrefix(`/x`) || Method(`GET`))"), [" not(/x*) not(GET)"]);
    assert_eq!(told("Header(`X-A`, `1`) && Query(`b`, `2`)"), ["x-a:1 ?b=2"]);
    assert_eq!(told("HostRegexp(`^.+\\.example\\.com$`)"), ["*.example.com"]);
    assert_eq!(told("PathPrefix(`/a`) && PathPrefix(`/a/b`)"), ["/a/b*"]);
    assert!(told("PathPrefix(`/a`) && PathPrefix(`/b`)").is_empty());
}

#[test]
fn rules_of_version_2_are_read_too() {
    assert_eq!(told("Host(`a`, `b`)"), ["a", "b"]);
    assert_eq!(told("Headers(`X-A`, `1`)"), ["x-a:1"]);
    assert_eq!(told("Query(`a=1`, `b=2`)"), ["?a=1 ?b=2"]);
    assert_eq!(told("Path(`/users/{id:[0-9]+}`)"), ["~^/users/(?:[0-9]+)$"]);
    assert_eq!(told("PathPrefix(`/v/{x}`)"), ["~^/v/[^/]+"]);
    assert_eq!(told("HostRegexp(`{sub:[a-z]+}.example.com`)"), ["*.example.com"]);
}

#[test]
fn what_cannot_be_said_is_told() {
    for rule in ["HeaderRegexp(`a`, `b.*`)", "Host(`a`", "Host()", "", "Host(`a`) Path(`/b`)", "PathRegexp(`(`)"] {
        assert!(read(rule).is_err(), "{rule}");
    }
    assert_eq!(server_names("HostSNI(`*`)"), Some(vec![Host::Any]));
    assert_eq!(server_names("HostSNI(`a`) || HostSNI(`b`)").unwrap().len(), 2);
    assert_eq!(server_names("ClientIP(`10.0.0.0/8`)"), None);
}

#[test]
fn what_a_rule_could_take_is_known_without_what_cannot_be_said() {
    let path = |text: &str| Clause::from(Conditions::path(Path::Prefix(text.to_owned())));
    assert_eq!(at_most("PathPrefix(`/a`) && HeaderRegexp(`x`, `y`)"), [path("/a")]);
    assert_eq!(at_most("HeaderRegexp(`x`, `y`) && PathPrefix(`/a`)"), [path("/a")]);
    assert_eq!(at_most("PathPrefix(`/a`) || !HeaderRegexp(`x`, `y`)"), [path("/a"), Clause::default()]);
    assert_eq!(at_most("PathPrefix(`/a`) && ClientIP(`10.0.0.0/8`)"), [path("/a")]);
    assert_eq!(at_most("PathPrefix(`/a`"), [Clause::default()]);
}
