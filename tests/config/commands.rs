//! `evenkeel check` in its formats, `check --explain`, and `evenkeel fmt`, through the binary.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use evenkeel::config;
use serde_json::{Value, json};

use crate::support::{Folder, GOOD, wrokers};

/// What a command printed on standard output and on standard error, and its exit code.
pub fn run(folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    run_with(folder, arguments, "")
}

fn run_with(folder: &Path, arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // a command that reads nothing may be gone by now
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(done.stdout), text(done.stderr), done.status.code().unwrap())
}

const BAD: &str = "[server]\nwrokers = 2\n\n[[listener]]\nname = 'web'\nbind = '127.0.0.1:8080'\nservice = 'app'\nidle_timeout = 75\n\n[[service.app.backend]]\naddress = '127.0.0.1:9001'\n";

#[test]
fn mistakes_are_json_for_tools() {
    let folder = Folder::new();
    folder.write("proxy.toml", BAD);
    let (out, err, code) = run(folder.path(), &["check", "--format", "json"]);
    assert_eq!((err.as_str(), code), ("", 2));
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!([
            wrokers("wrokers = 2"),
            {
                "severity": "error",
                "code": "wrong-type",
                "file": "proxy.toml",
                "line": 8,
                "column": 16,
                "width": 2,
                "end_column": 18,
                "path": "listener[0].idle_timeout",
                "message": "`idle_timeout` can't be an integer",
                "expected": "a duration: a whole number and one of ms, s, m, h, d, such as \"30s\"",
                "suggestion": "\"75s\"",
                "replacement": "\"75s\"",
                "source": "idle_timeout = 75",
            },
        ])
    );
    folder.write("proxy.toml", GOOD);
    assert_eq!(run(folder.path(), &["check", "--format", "json"]), ("[]\n".to_owned(), String::new(), 0));
}

#[test]
fn mistakes_are_lines_for_editors_and_for_ci() {
    let folder = Folder::new();
    folder.write("proxy.toml", BAD);
    let expected = "proxy.toml:2:1: error: unknown key `wrokers`; did you mean `workers`? [unknown-key]\n\
                    proxy.toml:8:16: error: `idle_timeout` can't be an integer; did you mean `\"75s\"`?; expected a duration: a whole number and one of ms, s, m, h, d, such as \"30s\" [wrong-type]\n";
    assert_eq!(run(folder.path(), &["check", "--format", "short"]), (expected.to_owned(), String::new(), 2));
    let (out, err, code) = run(folder.path(), &["check", "--format", "github"]);
    let first = "::error file=proxy.toml,line=2,col=1,endColumn=8,title=unknown-key::unknown key `wrokers`; did you mean `workers`?";
    assert_eq!((out.lines().next(), out.lines().count(), err.as_str(), code), (Some(first), 2, "", 2));
    folder.write("proxy.toml", GOOD);
    for format in ["short", "github"] {
        assert_eq!(run(folder.path(), &["check", "--format", format]), (String::new(), String::new(), 0));
    }
}

#[test]
fn what_is_about_the_file_as_a_whole_has_a_place_for_editors() {
    let folder = Folder::new();
    let (out, _, code) = run(folder.path(), &["check", "--format", "short", "-c", "gone,1.toml"]);
    assert!(out.starts_with("gone,1.toml:1:1: error: the configuration can't be read: "), "{out}");
    assert!(out.ends_with(" [unreadable-file]\n") && out.lines().count() == 1 && code == 2, "{out}");
    let (out, ..) = run(folder.path(), &["check", "--format", "github", "-c", "gone,1.toml"]);
    assert!(out.starts_with("::error file=gone%2C1.toml,line=1,col=1,title=unreadable-file::"), "{out}");
}

#[test]
fn a_line_for_an_editor_is_one_line_and_drives_no_terminal() {
    let folder = Folder::new();
    folder.write("proxy.toml", format!("[server]\ndrain_timeout = \"\\u001b[31m\\n::error::x\"\n{GOOD}"));
    for format in ["short", "github"] {
        let (out, ..) = run(folder.path(), &["check", "--format", format]);
        assert!(out.lines().count() == 1 && !out.contains('\x1b'), "{out}");
    }
}

#[test]
fn keys_are_explained_and_unknown_ones_told_with_what_was_meant() {
    let folder = Folder::new();
    let (out, err, code) = run(folder.path(), &["check", "--explain", "service.*.retry.attempts"]);
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(out.contains("\n  range    0 to 10\n  default  2\n") && out.contains("[service.app.retry]"), "{out}");
    let (out, err, code) = run(folder.path(), &["check", "--explain", "listener.rute"]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains("`listener` has no key `rute`; did you mean `listener.route`?"), "{err}");
    let (out, _, code) = run(folder.path(), &["check", "--explain"]);
    assert!(code == 0 && out.contains("  listener ") && out.contains("  service "), "{out}");
    // forms of strings are those that mistakes tell
    let (out, ..) = run(folder.path(), &["check", "--explain", "listener.idle_timeout"]);
    assert!(out.contains("type     a duration: a whole number and one of ms, s, m, h, d"), "{out}");
    assert!(out.contains("default  \"75s\"") && out.contains("range    above 0"), "{out}");
}

/// As [`GOOD`], laid out badly.
fn untidy() -> String {
    GOOD.replace(" = ", "=").replace("[[service", "[[ service")
}

#[test]
fn a_file_is_laid_out_and_keeps_its_mode_its_owner_and_its_link() {
    let folder = Folder::new();
    let file = folder.write("real.toml", untidy());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    // only root may give a file away; for anybody else it stays their own
    let _ = chown(&file, Some(1), Some(1));
    let before = std::fs::metadata(&file).unwrap();
    symlink("real.toml", folder.path().join("proxy.toml")).unwrap();
    assert_eq!(run(folder.path(), &["fmt"]), ("proxy.toml: laid out\n".to_owned(), String::new(), 0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), GOOD.trim_start());
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert!(std::fs::symlink_metadata(folder.path().join("proxy.toml")).unwrap().is_symlink());
    assert_eq!(run(folder.path(), &["fmt"]), (String::new(), String::new(), 0), "there is nothing to do");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
}

#[test]
fn with_check_nothing_is_changed_and_the_exit_code_tells() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one.toml", GOOD.trim_start()), folder.write("two.toml", untidy()));
    let told = run(folder.path(), &["fmt", "--check", "one.toml", "two.toml"]);
    assert_eq!(told, ("two.toml: would be laid out anew\n".to_owned(), String::new(), 1));
    assert_eq!(std::fs::read_to_string(two).unwrap(), untidy());
    assert_eq!(run(folder.path(), &["fmt", "--check", one.to_str().unwrap()]).2, 0);
}

#[test]
fn what_comes_from_standard_input_goes_to_standard_output() {
    let folder = Folder::new();
    assert_eq!(run_with(folder.path(), &["fmt", "--stdin"], "a=1"), ("a = 1\n".to_owned(), String::new(), 0));
    assert_eq!(run_with(folder.path(), &["fmt", "--stdin", "--check"], "a=1"), (String::new(), String::new(), 1));
    let (out, err, code) = run_with(folder.path(), &["fmt", "--stdin"], "a = \n");
    assert!(out.is_empty() && err.contains("standard input:1:") && code == 2, "{err}");
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_left_and_the_others_are_laid_out() {
    let folder = Folder::new();
    let (bad, good) = (folder.write("bad.toml", "a=x\nb  =  2\n"), folder.write("good.toml", "a=1\n"));
    let (out, err, code) = run(folder.path(), &["fmt", "gone.toml", "bad.toml", "good.toml"]);
    assert_eq!((out.as_str(), code), ("good.toml: laid out\n", 2));
    assert!(err.contains("gone.toml can't be read") && err.contains("bad.toml:1:3"), "{err}");
    assert!(err.contains("did you mean `\"x\"`?") && err.contains("strings stand in quotes"), "{err}");
    assert_eq!(std::fs::read_to_string(bad).unwrap(), "a=x\nb  =  2\n");
    assert_eq!(std::fs::read_to_string(good).unwrap(), "a = 1\n");
}

/// The TOML in the documentation, and the configurations of tests.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = ["proxy.toml", "tests/config/contract.toml"]
        .iter()
        .map(|file| std::fs::read_to_string(root.join(file)).unwrap())
        .collect();
    for file in std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|ending| ending == "md") {
            let text = std::fs::read_to_string(&file).unwrap();
            let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
            texts.extend(blocks.map(str::to_owned));
        }
    }
    // what is commented out is laid out, too
    texts.push(texts[0].lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join("\n"));
    texts
}

#[test]
fn of_all_the_toml_in_the_house_the_meaning_stays_and_once_is_enough() {
    let mut formatted = 0;
    for text in texts() {
        let Ok(before) = toml::from_str::<toml::Table>(&text) else { continue };
        let laid_out = config::format(&text, Path::new("x.toml")).unwrap();
        assert_eq!(toml::from_str::<toml::Table>(&laid_out).unwrap(), before, "{text}");
        assert_eq!(config::format(&laid_out, Path::new("x.toml")).unwrap(), laid_out, "{text}");
        formatted += 1;
    }
    assert!(formatted > 60, "{formatted}");
}

#[test]
fn a_configuration_that_is_laid_out_is_the_same_configuration() {
    let untidy = include_str!("../../proxy.toml").replace(" = ", "  =").replace("\n\n", "\n");
    let laid_out = config::format(&untidy, Path::new("proxy.toml")).unwrap();
    assert_ne!(untidy, laid_out);
    let shown = |text: &str| config::parse(text, Path::new("proxy.toml")).unwrap().effective.to_json();
    assert_eq!(shown(&untidy), shown(&laid_out));
}

#[test]
fn what_can_not_be_printed_is_no_success() {
    let folder = Folder::new();
    folder.write("proxy.toml", GOOD);
    folder.write("Caddyfile", "a.example {\n\treverse_proxy 127.0.0.1:80\n}\n");
    for asked in [
        &["convert", "Caddyfile"][..],
        &["check", "-c", "proxy.toml"],
        &["check", "-c", "proxy.toml", "--format", "json"],
        &["schema"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .current_dir(folder.path())
            .args(asked)
            .stdout(full)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && told.contains("No space left"), "{asked:?}: {told}");
    }
    folder.write("there.toml", "");
    let done = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .current_dir(folder.path())
        .args(["convert", "Caddyfile", "--out", "there.toml"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("is not written over"), "{done:?}");
}
