//! Whatever is in the file, reading it ends with an answer.

use std::path::Path;

use evenkeel::config::{self, Diagnostics};

const GOOD: &str = include_str!("../../proxy.toml");

/// Every place that is told must exist in the text.
fn read(text: &str) {
    let check = |diagnostics: &Diagnostics| {
        let lines = text.split('\n').count();
        for d in diagnostics {
            assert!(d.line <= lines, "{d:?}");
            assert!(d.width >= 1, "{d:?}");
        }
        assert_eq!(diagnostics.render(false).is_empty(), diagnostics.is_empty());
    };
    match config::parse(text, Path::new("proxy.toml")) {
        Ok(loaded) => check(&loaded.warnings),
        Err(diagnostics) => {
            assert!(diagnostics.errors() > 0);
            check(&diagnostics);
        }
    }
}

/// Whatever is TOML can be laid out, and has nothing to be laid out then.
fn lay_out(text: &str) {
    let file = Path::new("proxy.toml");
    match (config::format(text, file), toml::from_str::<toml::Table>(text).is_ok()) {
        (Ok(once), _) => assert_eq!(config::format(&once, file).unwrap(), once, "{text}"),
        (Err(diagnostics), is_toml) => {
            assert!(!is_toml, "{diagnostics}");
            assert!(diagnostics.iter().all(|d| d.code == config::Code::Syntax), "{diagnostics}");
        }
    }
}

/// A name that is not looked up, whatever is done to the text: mutations may make names of addresses.
fn without_names(text: &str) -> bool {
    let address = |line: &str| line.trim_start().starts_with("address") || line.contains("address =");
    text.lines().filter(|l| address(l)).all(|l| {
        let value = l.split('"').nth(1).unwrap_or("");
        value.parse::<std::net::SocketAddr>().is_ok() || value.starts_with("unix:") || !value.contains(':')
    })
}

#[test]
fn truncated_anywhere() {
    let mut texts = 0;
    for at in (0..GOOD.len()).filter(|at| GOOD.is_char_boundary(*at)).step_by(7) {
        if without_names(&GOOD[..at]) {
            read(&GOOD[..at]);
            texts += 1;
        }
    }
    assert!(texts > GOOD.len() / 7 / 2, "{texts}");
}

#[test]
fn with_bytes_changed_at_random() {
    let mut random = fastrand::Rng::with_seed(1);
    let alphabet: Vec<char> = "\"'[]{}=.,#\n\\$ \t-_0159aeitx\u{0}\u{7f}é\u{1F600}".chars().collect();
    let mut texts = 0;
    for _ in 0..600 {
        let mut chars: Vec<char> = GOOD.chars().collect();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..chars.len());
            let new = alphabet[random.usize(0..alphabet.len())];
            match random.u8(0..3) {
                0 => chars[at] = new,
                1 => chars.insert(at, new),
                _ => drop(chars.remove(at)),
            }
        }
        let text: String = chars.into_iter().collect();
        if without_names(&text) {
            read(&text);
            lay_out(&text);
            texts += 1;
        }
    }
    assert!(texts > 300, "{texts} of 600");
}

#[test]
fn with_values_replaced_by_other_values() {
    let values =
        ["0", "-1", "99999999999999999999", "nan", "inf", "1e400", "true", "\"\"", "\"\\u0000\"", "[]", "{}", "[[]]"];
    let more = ["2026-12-01", "\"${\"", "\"${X Y}\"", "\"$${\"", "[{}]", "{ a = {} }", "\"unix:\"", "\"\u{1F600}\""];
    let lines: Vec<&str> = GOOD.lines().collect();
    let mut keys = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        keys += 1;
        for value in values.iter().chain(&more) {
            let changed = format!("{key} = {value}");
            let mut lines = lines.clone();
            lines[number] = &changed;
            read(&lines.join("\n"));
        }
    }
    assert!(keys > 10, "{keys}");
}

#[test]
fn deeply_nested() {
    for text in [
        format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("a = {}1{}", "{ a = ".repeat(10_000), " }".repeat(10_000)),
        format!("{}a = 1", "a.".repeat(10_000)),
        format!("[{}a]", "a.".repeat(10_000)),
    ] {
        read(&text);
    }
}

#[test]
fn large() {
    let mut text = String::from("[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\n");
    for n in 0..10_000 {
        text.push_str(&format!("[[listener.route]]\nhost = \"h{n}.example.com\"\nservice = \"app\"\n"));
    }
    text.push_str("[[service.app.backend]]\naddress = \"127.0.0.1:1\"\n");
    let loaded = config::parse(&text, Path::new("proxy.toml")).unwrap();
    assert_eq!(loaded.config.listeners[0].routes.len(), 10_000);
    let diagnostics =
        config::parse(&text.replace("service = \"app\"", "service = \"ap\""), Path::new("proxy.toml")).unwrap_err();
    assert_eq!(diagnostics.len(), 10_000);
}
