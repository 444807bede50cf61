//! What is printed, to the letter.

use crate::support::{GOOD, bad, good, wrokers};

#[test]
fn mistakes_are_shown_like_a_compiler_does() {
    let text = r#"[[listener]]
name = "web"
bnd = "127.0.0.1:8080"
service = "ap"

[service.app]
timeout = { connect = 5, idle = "1 minute" }
send_proxy_protocol = "v3"
[[service.app.backend]]
address = "127.0.0.1:9001"
"#;
    let expected = r#"error: unknown key `bnd`
 --> proxy.toml:3:1
  |
3 | bnd = "127.0.0.1:8080"
  | ^^^ did you mean `bind`?

error: there is no service `ap`
 --> proxy.toml:4:11
  |
4 | service = "ap"
  |           ^^^^ did you mean `app`?
  |
  = expected the name of a service: app

error: `connect` can't be an integer
 --> proxy.toml:7:23
  |
7 | timeout = { connect = 5, idle = "1 minute" }
  |                       ^ did you mean `"5s"`?
  |
  = expected a duration: a whole number and one of ms, s, m, h, d, such as "30s"

error: `1 minute` can't be read
 --> proxy.toml:7:33
  |
7 | timeout = { connect = 5, idle = "1 minute" }
  |                                 ^^^^^^^^^^ did you mean `1m`?
  |
  = expected a duration: a whole number and one of ms, s, m, h, d, such as "30s"

error: `send_proxy_protocol` can't be "v3"
 --> proxy.toml:8:23
  |
8 | send_proxy_protocol = "v3"
  |                       ^^^^ did you mean `v1`?
  |
  = expected one of "off", "v1", "v2"

5 mistakes in proxy.toml
"#;
    assert_eq!(bad(text).to_string(), expected);
    assert_eq!(bad(text).render(false), expected);
}

#[test]
fn warnings_are_counted_apart_and_the_gutter_grows() {
    let text = format!("{GOOD}[[listener.route]]\nx = 1\n{}", "");
    let text = text.replace(
        "[[service.app.backend]]",
        "[[listener.route]]\nredirect.to = \"/\"\nrewrite.host = \"a\"\n\n[[service.app.backend]]",
    );
    let text = text.replace("[[listener.route]]\nx = 1\n", "wight = 1\n");
    let expected = "\
warning: `rewrite` has no effect beside `redirect`
 --> proxy.toml:9:1
  |
9 | rewrite.host = \"a\"
  | ^^^^^^^
  |
  = help: no backend is asked; write the new path into `redirect.to`

error: unknown key `wight`
  --> proxy.toml:13:1
   |
13 | wight = 1
   | ^^^^^ did you mean `weight`?

1 mistake and 1 warning in proxy.toml
";
    assert_eq!(bad(&text).to_string(), expected);
}

#[test]
fn a_mistake_of_the_whole_file_has_no_line() {
    let expected = "\
error: there is no listener
--> proxy.toml
 = help: add a section [[listener]] with name, bind and service

1 mistake in proxy.toml
";
    assert_eq!(bad("").to_string(), expected);
}

#[test]
fn nothing_wrong_is_nothing_printed() {
    assert_eq!(good(GOOD).warnings.render(true), "");
}

#[test]
fn colour_only_when_asked_and_the_file_cannot_send_any() {
    let diagnostics = bad("[server]\nworkers = \"\u{1b}[31m\" \t# x\n");
    assert!(diagnostics.render(true).starts_with("\x1b[1m\x1b[91merror"));
    assert!(!diagnostics.render(false).contains('\x1b'));
}

#[test]
fn what_a_value_holds_cannot_drive_the_terminal() {
    let diagnostics = bad(&format!("[server]\ndrain_timeout = \"\\u001b[31m\"\n{GOOD}"));
    assert!(diagnostics.iter().any(|d| d.message.contains('\x1b')), "it is quoted as it is");
    assert!(!diagnostics.render(false).contains('\x1b'));
}

#[test]
fn carets_stand_below_wide_characters() {
    let shown = bad(&format!("log = {{ level = \"\u{65e5}\u{672c}\", format = \"xml\" }}\n{GOOD}")).render(false);
    let lines: Vec<&str> = shown.lines().collect();
    let below = |what: &str| lines[1 + lines.iter().position(|line| line.contains("1 | log")).unwrap()].find(what);
    // two characters of two columns each, in quotes
    assert_eq!(below("^^^^^^ "), Some("  | log = { level = ".len()), "{shown}");
}

#[test]
fn of_a_very_long_line_the_part_around_the_mistake_is_shown() {
    let text = format!("log = {{ access = \"{}\", format = \"xml\" }}\n{GOOD}", "a".repeat(500));
    let shown = bad(&text).render(false);
    assert!(shown.contains("format = \"xml\"") && shown.contains("^^^^^"), "{shown}");
    assert!(shown.lines().all(|line| line.len() < 200), "{shown}");
}

#[test]
fn columns_are_characters_and_tabs_count_one() {
    let diagnostics = bad(&format!("log = {{ level = \"é\",\tformat = \"xml\" }}\n{GOOD}"));
    let places: Vec<(usize, usize, usize)> = diagnostics.iter().map(|d| (d.line, d.column, d.width)).collect();
    assert_eq!(places, [(1, 17, 3), (1, 31, 5)]);
}

#[test]
fn they_are_json_too() {
    let json = serde_json::to_value(bad(&format!("[server]\nwrokers = 1\n{GOOD}"))).unwrap();
    assert_eq!(json, serde_json::json!([wrokers("wrokers = 1")]));
}
