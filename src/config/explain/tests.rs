use super::find::{every, find};
use super::*;

fn told(key: &str) -> String {
    explain(key).unwrap_or_else(|unknown| panic!("{unknown}"))
}

fn unknown(key: &str) -> String {
    explain(key).unwrap_err().to_string()
}

#[test]
fn a_key_is_explained_from_the_schema() {
    let expected = "service.NAME.retry.attempts

  How many attempts are made beyond the first; 0 = none.

  in       [service.NAME.retry]: When a request is sent again.
  type     an integer
  range    0 to 10
  default  2
  example  [service.app.retry]
           attempts = 2
  docs     docs/configuration.md#servicenameretry
";
    for key in
        ["service.NAME.retry.attempts", "service.*.retry.attempts", "service.app.retry.attempts", "retry.attempts"]
    {
        assert_eq!(told(key), expected, "{key}");
    }
}

#[test]
fn paths_are_understood_as_headers_mistakes_and_people_write_them() {
    let path = |key: &str| find(key).map(|found| found.path()).map_err(|unknown| unknown.to_string());
    for (key, expected) in [
        ("listener[0].route[12].host", "listener.route.host"),
        ("[[listener.route]]", "listener.route"),
        ("[service.app]", "service.NAME"),
        ("service.\"a.b\".balance", "service.NAME.balance"),
        ("service.balance", "service.NAME.balance"),
        ("service.health.interval", "service.NAME.health.interval"),
        ("service.NAME.health", "service.NAME.health"),
        ("service.health", "service.NAME.health"),
        ("max_eject_for", "service.NAME.outlier.max_eject_for"),
        ("server.environment.DOMAIN", "server.environment.NAME"),
        ("", ""),
    ] {
        assert_eq!(path(key).as_deref(), Ok(expected), "{key}");
    }
}

#[test]
fn of_a_section_all_keys_are_listed() {
    let listed = told("listener.route.redirect");
    assert!(
        listed.starts_with("[listener.route.redirect]\n\n  The requests are answered with a redirect.\n\n"),
        "{listed}"
    );
    assert!(listed.contains("  to *    Where to;") && listed.contains("  * = required\n"), "{listed}");
    assert!(listed.contains("; default: 308\n") && !listed.contains("none"), "{listed}");
    let whole = told("");
    assert!(whole.starts_with("  admin ") && whole.contains("  listener ") && whole.contains("  service "), "{whole}");
    assert!(told("service").contains("  NAME "));
}

#[test]
fn a_key_that_is_not_there_is_answered_with_what_may_be_meant() {
    for (key, expected) in [
        ("listener.rute", "`listener` has no key `rute`; did you mean `listener.route`?"),
        ("service.*.balence", "`service.NAME` has no key `balence`; did you mean `service.NAME.balance`?"),
        (
            "max_header_byte",
            "there is no key `max_header_byte`; there are listener.limits.max_header_bytes, service.NAME.limits.max_header_bytes",
        ),
        (
            "max_header_bytes",
            "there is no key `max_header_bytes`; there are listener.limits.max_header_bytes, service.NAME.limits.max_header_bytes",
        ),
        (
            "service.app.backend.maxconn",
            "`service.NAME.backend` has no key `maxconn`; did you mean `service.NAME.backend.max_connections`? (write `max_connections = 100`)",
        ),
        (
            "listener.route.gzip",
            "`listener.route` has no key `gzip`; did you mean `listener.route.compress`? (write `compress = true`, or `compress = { algorithms = [\"gzip\"] }`)",
        ),
        ("server.workers.more", "`server.workers` has no key `more`"),
    ] {
        assert_eq!(unknown(key), expected);
    }
}

#[test]
fn every_key_has_a_description_a_type_and_an_example_with_it() {
    let keys = every();
    assert!(keys.len() > 300, "{}", keys.len());
    for found in keys {
        let path = found.path();
        assert!(
            description(found.rules).len() > 5,
            "{path} has no description: write a comment above it in src/config/raw"
        );
        assert!(!types::wanted(found.rules).contains("something else"), "{path}: {}", types::wanted(found.rules));
        if !found.is_section() {
            let example = example::of(found);
            let Some(line) = example.last() else { panic!("{path}: {example:?}") };
            let text = example.join("\n");
            toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{path}: {text}{error}"));
            assert!(line.contains(found.name()), "{path}: {line}");
        }
    }
}
