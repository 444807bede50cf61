use super::mend::{self, Mend};
use super::position::Position;

fn mend(line: &str) -> Option<Mend> {
    mend::mend(Position { lines: &[line], index: 0 })
}

/// The line as it should be, and why; without a change, only why.
fn mended(line: &str) -> Option<(String, String)> {
    let Mend { at, instead, help, .. } = mend(line)?;
    let line = instead.map_or_else(String::new, |instead| [&line[..at.start], &instead, &line[at.end..]].concat());
    assert!(toml::de::DeTable::parse(&line).is_ok(), "{line}");
    Some((line, help.into_owned()))
}

#[test]
fn what_people_write_is_understood() {
    for (line, meant) in [
        ("bind = 127.0.0.1:8080", "bind = \"127.0.0.1:8080\""),
        ("  balance = round_robin  # best", "  balance = \"round_robin\"  # best"),
        ("bind = \"127.0.0.1:80", "bind = \"127.0.0.1:80\""),
        ("bind = \"127.0.0.1:80   # here", "bind = \"127.0.0.1:80\"   # here"),
        ("bind = 127.0.0.1:80\"", "bind = \"127.0.0.1:80\""),
        ("bind: \"127.0.0.1:80\"", "bind = \"127.0.0.1:80\""),
        ("bind: 127.0.0.1:80", "bind = \"127.0.0.1:80\""),
        ("listen 80;", "listen = 80"),
        ("bind *:80", "bind = \"*:80\""),
        ("workers = 4;", "workers = 4"),
        ("workers = 4,", "workers = 4"),
        ("workers = 4 // all", "workers = 4"),
        ("workers == 4", "workers = 4"),
        ("workers := 4", "workers = 4"),
        ("workers = 04", "workers = 4"),
        ("budget = .5", "budget = 0.5"),
        ("max = 10,000", "max = 10000"),
        ("drain timeout = \"5s\"", "drain_timeout = \"5s\""),
        ("idle_timeout = 75s", "idle_timeout = \"75s\""),
        ("drain = True", "drain = true"),
        ("drain = no", "drain = false"),
        ("name = \u{201c}web\u{201d}", "name = \"web\""),
        ("path_regex = \"^/\\d+\"", "path_regex = '^/\\d+'"),
        ("body = 'it's'", "body = \"it's\""),
        ("methods = [GET, POST]", "methods = [\"GET\", \"POST\"]"),
        ("methods = [\"GET\" \"POST\"]", "methods = [\"GET\", \"POST\"]"),
        ("hosts = [\"a\", \"b\"", "hosts = [\"a\", \"b\"]"),
        ("timeout = { connect: \"5s\" }", "timeout = { connect = \"5s\" }"),
        ("[server", "[server]"),
        ("[\"server]", "[server]"),
        ("admin", "[admin]"),
        ("<listener>", "[[listener]]"),
        ("hosts = \"a\", \"b\"", "hosts = [\"a\", \"b\"]"),
        ("name = \"\"web\"\"", "name = \"web\""),
        ("name = `web`", "name = \"web\""),
        ("workers += 4", "workers = 4"),
        ("certificates: [{ \"cert\": \"a\" }]", "certificates = [{ \"cert\" = \"a\" }]"),
        ("[[listener]  # one", "[[listener]]  # one"),
        ("[listener]]", "[[listener]]"),
        ("[service.my app]", "[service.my-app]"),
        ("// a comment", "# a comment"),
        ("; a comment", "# a comment"),
    ] {
        assert_eq!(mended(line).map(|(line, _)| line).as_deref(), Some(meant), "{line}");
    }
}

#[test]
fn what_can_not_be_guessed_is_explained_or_left() {
    for (line, why) in [
        ("server {", "no blocks"),
        ("}", "no blocks"),
        ("zone = null", "leave the key out"),
        ("workers =", "no value"),
        ("a = \"x\" b = 2", "a line of its own"),
        ("a = 1, b = 2", "a line of its own"),
        ("  - GET", "in brackets"),
    ] {
        let (line_after, help) = mended(line).unwrap();
        assert!(line_after.is_empty() && help.contains(why), "{line}: {help}");
    }
    for line in ["", "= 1", "\u{0}", "a = [", "\"", "a = {", "a = 1", "[server]", "a..b: 1", "a.: 1", "a..b = c"] {
        assert_eq!(mend(line).map(|mended| mended.instead), None, "{line}");
    }
}
