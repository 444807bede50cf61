//! Text that is not TOML: one mistake where something is missing, and the rest is checked all the same.

use crate::support::{GOOD, bad, told};

/// With many lines below, which look wrong while a bracket above them is open.
fn long(first: &str) -> String {
    let service = |n: u16| {
        format!(
            "[service.s{n}]\nbalance = \"round_robin\"\n[[service.s{n}.backend]]\naddress = \"127.0.0.1:{}\"\n",
            9100 + n
        )
    };
    let route = |n: u16| format!("[[listener.route]]\npath = \"/{n}\"\nservice = \"s{n}\"\n");
    let (listener, app) = GOOD.split_once("\n\n").unwrap();
    let further: String = (0..8).map(route).chain((0..8).map(service)).collect();
    format!("{first}\n{listener}\n{further}\n{app}")
}

#[test]
fn what_is_missing_is_one_mistake_at_its_place() {
    for (wrong, place, message) in [
        ("[log]\nlevel = \"info", "2:9", "a quote is missing"),
        ("[server]\nenvironment = { A = \"b\"", "2:15", "`{` is not closed"),
        ("[admin]\nhosts = [\"a.example\"", "2:9", "`[` is not closed"),
        ("[admin]\nhosts = [\n  \"a.example\"", "3:3", "the `[` in line 2 is not closed"),
        ("[admin]\nhosts = [\"a.example\"]]", "2:1", "`]` too many"),
        ("[admin]\ntokens = [{ name = \"a\", file = \"b\" ]", "2:11", "`{` is not closed"),
        ("[admin]\ntokens = [{ name = \"a, file = \"b\" }]", "2:10", ""),
        ("[server]\nenvironment = {\n  A = \"b\"\n  C = \"d\"\n}", "3:3", "a comma is missing"),
    ] {
        let diagnostics = bad(&long(wrong));
        let syntax: Vec<_> = diagnostics.iter().filter(|d| d.code.as_str() == "syntax").collect();
        assert_eq!(syntax.len(), 1, "{wrong}\n{diagnostics}");
        assert_eq!(format!("{}:{}", syntax[0].line, syntax[0].column), place, "{wrong}\n{diagnostics}");
        assert!(syntax[0].message.contains(message), "{wrong}\n{diagnostics}");
        assert!(syntax[0].replacement.is_some(), "{wrong}\n{diagnostics}");
    }
}

#[test]
fn the_rest_of_the_file_is_checked_where_all_could_be_mended() {
    let text = format!("[server]\nworkers = 2;\nwrokers = 3\n{}\nwight = 5\n", GOOD.replace("\"app\"", "\"ap\""));
    let lines: Vec<String> = told(&bad(&text)).iter().map(|told| told.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["2:11", "3:1", "8:11", "13:1"]);
    // what can't be mended may be the reason of anything
    let text = text.replace("workers = 2;", "workers =");
    assert_eq!(bad(&text).len(), 1, "{}", bad(&text));
}

#[test]
fn a_string_of_several_lines_without_an_end_is_one_mistake() {
    let diagnostics = bad(&format!("[log]\nlevel = \"\"\"info\"\n{GOOD}"));
    assert_eq!(told(&diagnostics), ["2:9 : this is not TOML: this string of several lines has no end"]);
}

#[test]
fn a_file_in_another_language_is_one_mistake() {
    for (text, what) in [
        ("{\n  \"listener\": []\n}\n", "JSON"),
        ("listener:\n  - name: web\n    bind: 0.0.0.0:80\n", "YAML"),
        ("http {\n  server {\n    listen 80;\n  }\n}\n", "nginx"),
        ("a.example {\n  reverse_proxy 127.0.0.1:9001\n}\nb.example {\n}\n", "Caddy"),
        ("global\n  maxconn 100\nfrontend web\n  bind *:80\n", "HAProxy"),
    ] {
        let diagnostics = bad(text);
        assert_eq!(diagnostics.len(), 1, "{diagnostics}");
        let only = diagnostics.iter().next().unwrap();
        assert!(only.message.contains(what) && only.help.is_some() && only.line == 1, "{only:?}");
    }
}

#[test]
fn a_byte_order_mark_and_ends_of_lines_of_other_systems_are_taken() {
    crate::support::good(&format!("\u{feff}{GOOD}"));
    crate::support::good(&GOOD.replace('\n', "\r\n"));
    let text = format!("\u{feff}[server]\r\nwrokers = 1\r\n{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(told(&bad(&text)), ["2:1 server.wrokers: unknown key `wrokers`"]);
}
