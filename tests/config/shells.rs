//! Completions, as the shells themselves make them of the scripts, and manual pages, as those read them who know the language.
//!
//! bash is everywhere; what else is not installed is left out, and said to be.

use std::path::Path;
use std::process::{Command, Output};

use crate::commands::run;
use crate::support::Folder;

/// What a program does with these arguments; `None` where it is not installed.
fn program(name: &str, arguments: &[&str], folder: &Path) -> Option<Output> {
    match Command::new(name).args(arguments).current_dir(folder).env("HOME", folder).env("LC_ALL", "C.UTF-8").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{name} is not installed: left out");
            None
        }
        done => Some(done.unwrap()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the script for a shell.
fn script(shell: &str) -> Folder {
    let folder = Folder::new();
    let (script, err, code) = run(folder.path(), &["completions", shell]);
    assert_eq!((err.as_str(), code), ("", 0));
    folder.write("script", script);
    folder
}

/// What bash completes the last of these words to.
fn completed(folder: &Path, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = format!(
        "source ./script; read -r _ _ function _ <<<\"$(complete -p evenkeel | sed 's/.*-F \\([^ ]*\\).*/x x \\1 x/')\"; \
         COMP_WORDS=({}); COMP_CWORD={}; $function evenkeel '{}' '{}'; echo \"${{COMPREPLY[*]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2]
    );
    let done = program("bash", &["--norc", "-c", &line], folder).expect("bash");
    assert!(done.stderr.is_empty(), "{}", text(&done.stderr));
    text(&done.stdout).trim().to_owned()
}

#[test]
fn bash_completes_commands_and_options_and_nothing_that_is_hidden() {
    let folder = script("bash");
    assert_eq!(completed(folder.path(), &["evenkeel", "che"]), "check");
    assert_eq!(completed(folder.path(), &["evenkeel", "check", "--ex"]), "--explain");
    assert_eq!(completed(folder.path(), &["evenkeel", "check", "--format", "s"]), "short");
    assert_eq!(completed(folder.path(), &["evenkeel", "completions", "z"]), "zsh");
    assert_eq!(completed(folder.path(), &["evenkeel", "hook"]), "");
}

#[test]
fn fish_completes_commands_and_options() {
    let folder = script("fish");
    let ask = |line: &str| {
        let done =
            program("fish", &["--no-config", "-c", &format!("source ./script; complete -C '{line}'")], folder.path())?;
        assert!(done.stderr.is_empty(), "{}", text(&done.stderr));
        Some(text(&done.stdout))
    };
    let Some(told) = ask("evenkeel che") else { return };
    assert!(told.starts_with("check\t") && told.lines().count() == 1, "{told}");
    assert!(ask("evenkeel check --ex").unwrap().starts_with("--explain"));
    assert_eq!(ask("evenkeel hook").unwrap(), "");
}

#[test]
fn zsh_loads_the_script() {
    let folder = script("zsh");
    std::fs::rename(folder.path().join("script"), folder.path().join("_evenkeel")).unwrap();
    let line = "fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -D && print -- $_comps[evenkeel] && autoload +X _evenkeel && zsh -f -n ./_evenkeel";
    let Some(done) = program("zsh", &["-f", "-c", line], folder.path()) else { return };
    assert_eq!((text(&done.stdout).trim(), text(&done.stderr).as_str()), ("_evenkeel", ""));
    assert!(done.status.success());
}

#[test]
fn manual_pages_are_read_without_a_warning() {
    let folder = Folder::new();
    assert_eq!(run(folder.path(), &["man", "pages"]), (String::new(), String::new(), 0));
    let pages: Vec<String> = std::fs::read_dir(folder.path().join("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["evenkeel.1", "evenkeel-check.1", "evenkeel-state-restore.1", "proxy.toml.5"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("hook") || name.contains("help")), "{pages:?}");
    let paths: Vec<String> = pages.iter().map(|page| format!("pages/{page}")).collect();
    let read_by = |name: &str, options: &[&str]| {
        let arguments: Vec<&str> = options.iter().copied().chain(paths.iter().map(String::as_str)).collect();
        program(name, &arguments, folder.path())
    };
    if let Some(done) = read_by("groff", &["-man", "-ww", "-Tutf8", "-z"]) {
        assert_eq!(text(&done.stderr), "");
    }
    // mistakes of the pages, and not the style that one system or the other prefers
    if let Some(done) = read_by("mandoc", &["-Tlint", "-Wwarning"]) {
        assert_eq!(text(&done.stdout), "");
    }
    let (one, err, code) = run(folder.path(), &["man"]);
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(one, std::fs::read_to_string(folder.path().join("pages/evenkeel.1")).unwrap());
}

#[test]
fn the_page_of_the_configuration_has_every_section() {
    let folder = Folder::new();
    run(folder.path(), &["man", "."]);
    let page = std::fs::read_to_string(folder.path().join("proxy.toml.5")).unwrap();
    for section in
        ["\"[[listener]]\"", "[[listener]]", "[service.NAME.retry]", "[service.NAME.health]", "[cluster.elect]"]
    {
        assert!(page.contains(section.trim_matches('"')), "{section}");
    }
    assert!(
        page.contains("How many attempts are made beyond the first; 0 = none."),
        "descriptions are those of the schema"
    );
}
