//! A configuration of several files.

use std::path::Path;

use evenkeel::config::{self, Diagnostics, Severity};

use crate::support::{Folder, GOOD};

const INCLUDE: &str = "include = [\"conf.d/*.toml\"]\n";

/// "file:line:column path: message" of each, warnings with a "~" before, with paths as seen from the folder.
fn told(folder: &Folder, diagnostics: &Diagnostics) -> Vec<String> {
    let root = format!("{}/", folder.path().display());
    let tell = |d: &config::Diagnostic| {
        let mark = if d.severity == Severity::Warning { "~" } else { "" };
        format!("{mark}{}:{}:{} {}: {}", d.file, d.line, d.column, d.path, d.message).replace(&root, "")
    };
    diagnostics.iter().map(tell).collect()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// What is wrong with the configuration of these files.
fn mistakes(text: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    match folder.load(text) {
        Ok(loaded) => told(&folder, &loaded.warnings),
        Err(diagnostics) => told(&folder, &diagnostics),
    }
}

#[test]
fn listeners_are_appended_by_the_names_of_files_and_services_are_merged_key_by_key() {
    let files = [
        ("conf.d/20-b.toml", "[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:82\"\nservice = \"app\"\n"),
        (
            "conf.d/10-a.toml",
            "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:81\"\nservice = \"app\"\n[service.app]\nslow_start = \"9s\"\n[service.app.timeout]\nidle = \"7s\"\n",
        ),
        (
            "conf.d/30-c.toml",
            "[[service.app.backend]]\naddress = \"127.0.0.1:9002\"\n[service.app.timeout]\ntotal = \"8s\"\n[server]\nworkers = 3\n",
        ),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/c.toml~", "nonsense"),
        ("conf.d/folder.toml/x", "nonsense"),
    ];
    let folder = folder(&files);
    let loaded = folder.load(&format!("{INCLUDE}{GOOD}")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let names: Vec<&str> = loaded.config.listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["web", "a", "b"]);
    assert_eq!(loaded.config.server.workers, 3);
    let shown = loaded.effective.to_json();
    let app = &shown["service"]["app"];
    assert_eq!(
        (&app["slow_start"], &app["timeout"]["idle"], &app["timeout"]["total"]),
        (&"9s".into(), &"7s".into(), &"8s".into())
    );
    let backends: Vec<_> = app["backend"].as_array().unwrap().iter().map(|backend| &backend["address"]).collect();
    assert_eq!(backends, ["127.0.0.1:9001", "127.0.0.1:9002"]);
    assert_eq!(shown["include"], serde_json::json!(["conf.d/*.toml"]));
}

#[test]
fn a_mistake_is_told_at_its_file_line_and_column() {
    let files = [
        ("conf.d/a.toml", "# ü\n[service.b]\nbalanec = \"round_robin\"\n"),
        (
            "conf.d/b.toml",
            "[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:81\"\nservice = \"ap\"\n[[service.b.backend]]\naddress = \"127.0.0.1:1\"\n",
        ),
    ];
    let expected = [
        "proxy.toml:2:1 worker: unknown key `worker`",
        "conf.d/a.toml:3:1 service.b.balanec: unknown key `balanec`",
        "conf.d/b.toml:4:11 listener[1].service: there is no service `ap`",
    ];
    assert_eq!(mistakes(&format!("{INCLUDE}worker = 1\n{GOOD}"), &files), expected);
    let folder = folder(&files);
    let text = folder.load(&format!("{INCLUDE}{GOOD}")).unwrap_err().to_string();
    let root = format!("{}/", folder.path().display());
    let text = text.replace(&root, "");
    assert!(text.contains(" --> conf.d/a.toml:3:1\n") && text.contains("3 | balanec = \"round_robin\""), "{text}");
    assert!(text.ends_with("2 mistakes in 2 files\n"), "{text}");
}

#[test]
fn a_key_in_two_files_is_a_mistake_that_names_both_places() {
    let files = [
        ("conf.d/a.toml", "[server]\nworkers = 2\n[service.app]\nbalance = \"round_robin\"\n"),
        ("conf.d/b.toml", "server.workers = 3\nservice.app.balance = \"power_of_two\"\nlistener = 5\n"),
    ];
    let folder = folder(&files);
    let diagnostics = folder.load(&format!("{INCLUDE}{GOOD}")).unwrap_err();
    assert_eq!(
        told(&folder, &diagnostics),
        [
            "conf.d/b.toml:1:8 server.workers: `workers` stands in another file already",
            "conf.d/b.toml:2:13 service.app.balance: `balance` stands in another file already",
            "conf.d/b.toml:3:1 listener: `listener` stands in another file already",
        ]
    );
    let root = format!("{}/", folder.path().display());
    let help: Vec<String> = diagnostics.iter().map(|d| d.help.clone().unwrap().replace(&root, "")).collect();
    assert_eq!(
        help,
        [
            "the first one is in line 2 of conf.d/a.toml",
            "the first one is in line 4 of conf.d/a.toml",
            "the first one is in line 3 of proxy.toml"
        ]
    );
}

#[test]
fn what_must_be_unique_names_the_file_of_the_first_one() {
    let listener = GOOD.split("[[service").next().unwrap();
    let folder = folder(&[("conf.d/a.toml", listener)]);
    let diagnostics = folder.load(&format!("{INCLUDE}{GOOD}")).unwrap_err();
    let help: Vec<_> = diagnostics.iter().filter_map(|d| d.help.clone()).collect();
    assert!(help[0].contains("line 4 of ") && help[0].ends_with("proxy.toml"), "{help:?}");
}

#[test]
fn syntax_errors_of_all_files_are_told_at_once() {
    let files = [("conf.d/a.toml", "a = \n"), ("conf.d/b.toml", "good = 1\n[x\n")];
    let told = mistakes(&format!("{INCLUDE}b = = 1\n{GOOD}"), &files);
    let places: Vec<_> = told.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["proxy.toml:2:5", "conf.d/a.toml:1:1", "conf.d/b.toml:2:1"], "{told:?}");
}

#[test]
fn includes_are_relative_to_their_file_and_may_be_nested() {
    let files = [
        ("sites/site.toml", "include = [\"more/*.toml\", \"../other.toml\"]\n"),
        ("sites/more/a.toml", "[server]\nworkers = 5\n"),
        ("other.toml", GOOD),
    ];
    let folder = folder(&files);
    let loaded = folder.load("include = [\"sites/site.toml\"]").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((loaded.config.server.workers, loaded.config.listeners.len()), (5, 1));
    assert_eq!(loaded.effective.to_json()["include"], serde_json::json!(["sites/site.toml"]));
}

#[test]
fn other_paths_are_relative_to_the_first_file() {
    let folder = folder(&[("conf.d/a.toml", "admin.token_file = \"token\"\n")]);
    folder.write("token", "t0ken-0123456789");
    assert_eq!(folder.load(&format!("{INCLUDE}{GOOD}")).unwrap().config.admin.tokens.len(), 1);
}

#[test]
fn a_file_is_read_once_and_circles_are_mistakes() {
    let twice = [("a.toml", "include = [\"b.toml\"]"), ("b.toml", GOOD)];
    assert_eq!(mistakes("include = [\"a.toml\", \"b.toml\", \"./[b].toml\"]", &twice), [""; 0]);
    let circle = [("a.toml", "include = [\"b.toml\"]"), ("b.toml", "x = 1\ninclude = [\"a.toml\"]")];
    let told = mistakes(&format!("include = [\"a.toml\"]\n{GOOD}"), &circle);
    let expected = "b.toml:2:12 include[0]: files include one another: a.toml includes b.toml includes a.toml";
    assert!(told.iter().any(|line| line == expected), "{told:?}");
    let told = mistakes(&format!("include = [\"*.toml\"]\n{GOOD}"), &[]);
    assert_eq!(told, ["proxy.toml:1:12 include[0]: files include one another: proxy.toml includes proxy.toml"]);
}

#[test]
fn files_can_be_only_so_deep_and_so_many() {
    let chain: Vec<(String, String)> =
        (0..12).map(|n| (format!("f{n}.toml"), format!("include = [\"f{}.toml\"]", n + 1))).collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let told = mistakes(&format!("include = [\"f0.toml\"]\n{GOOD}"), &chain);
    assert_eq!(told, ["f7.toml:1:12 include[0]: `f8.toml` is not read: files include one another 8 deep at most"]);
    let many: Vec<String> = (0..1001).map(|n| format!("conf.d/{n}.toml")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    let told = mistakes(&format!("{INCLUDE}{GOOD}"), &many);
    assert_eq!(told[0], "proxy.toml:1:12 include[0]: a configuration consists of at most 1000 files");
    assert_eq!(told.len(), 1);
}

#[test]
fn what_cannot_be_included_is_told_where_it_is_named() {
    let folder = folder(&[("folder/x", "")]);
    folder.write("noise.toml", b"\xff");
    let told_of = |include: &str| match folder.load(&format!("include = {include}\n{GOOD}")) {
        Ok(loaded) => told(&folder, &loaded.warnings),
        Err(diagnostics) => told(&folder, &diagnostics),
    };
    let at = "proxy.toml:1:12 include[0]:";
    assert_eq!(
        told_of("[\"gone.toml\"]"),
        [format!("{at} `gone.toml` can't be read: No such file or directory (os error 2)")]
    );
    assert_eq!(told_of("[\"gone/*.toml\", \"[a-z].toml\"]"), [""; 0], "a pattern may find nothing");
    assert_eq!(told_of("[\"folder\"]"), [format!("{at} `folder` can't be read: it is no file")]);
    assert_eq!(
        told_of("[\"noise.toml\"]"),
        [format!("{at} `noise.toml` can't be read: the file is not UTF-8 text (byte 0)")]
    );
    assert_eq!(told_of("[\"\"]"), [format!("{at} \"\" can't be used here")]);
    assert_eq!(told_of("[\"${NOWHERE_TO_BE_FOUND}/a.toml\"]"), [format!("{at} `${{NOWHERE_TO_BE_FOUND}}` is not set")]);
    assert_eq!(told_of("\"conf.d/*.toml\""), ["proxy.toml:1:11 include: `include` can't be a string"]);
    assert_eq!(told_of("[5]"), [format!("{at} `include` can't be an integer")]);
}

#[test]
fn the_environment_of_the_first_file_says_what_is_included() {
    let folder = folder(&[("eu/a.toml", "server.workers = 4"), ("us/a.toml", "server.workers = 5")]);
    let text = |region: &str| {
        format!(
            "include = [\"${{REGION}}/*.toml\", \"${{OTHER_REGION:-eu}}/a.toml\"]\n[server.environment]\nREGION = {region:?}\n{GOOD}"
        )
    };
    assert_eq!(folder.load(&text("eu")).unwrap().config.server.workers, 4);
    assert_eq!(
        told(&folder, &folder.load(&text("us")).unwrap_err()),
        ["eu/a.toml:1:8 server.workers: `workers` stands in another file already"]
    );
}

#[test]
fn the_files_and_folders_are_known_and_the_hash_is_of_all() {
    let folder = folder(&[("conf.d/a.toml", "include = [\"../more/x.toml\"]"), ("more/x.toml", "")]);
    let main = folder.write("proxy.toml", format!("{INCLUDE}{GOOD}"));
    let files = config::files(&main);
    let seen: Vec<String> = files
        .seen
        .iter()
        .map(|(path, stamp)| {
            assert!(stamp.is_some(), "{}", path.display());
            path.strip_prefix(folder.path()).unwrap().display().to_string()
        })
        .collect();
    assert_eq!(seen, ["proxy.toml", "conf.d", "conf.d/a.toml", "conf.d/../more/x.toml"]);
    assert_eq!(config::files(&main).hash, files.hash);
    std::fs::write(folder.path().join("more/x.toml"), "# changed").unwrap();
    let changed = config::files(&main).hash;
    assert_ne!(changed, files.hash);
    std::fs::write(folder.path().join("conf.d/b.toml"), "").unwrap();
    assert_ne!(config::files(&main).hash, changed, "a new file");
    let hash = |folder: &Folder| folder.load(&format!("{INCLUDE}{GOOD}")).unwrap().effective.hash().to_owned();
    let before = hash(&folder);
    std::fs::write(folder.path().join("conf.d/b.toml"), "# 1").unwrap();
    assert_ne!(hash(&folder), before);
    assert_eq!(config::files(Path::new("/nowhere/proxy.toml")).hash, None);
}

#[test]
fn commands_find_the_admin_address_in_an_included_file() {
    let folder = folder(&[("conf.d/admin.toml", "admin.bind = \"127.0.0.1:9999\"\n"), ("bad.toml", "x = = 1\n")]);
    let main = folder.write("proxy.toml", format!("include = [\"bad.toml\", \"conf.d/*.toml\"]\n{GOOD}"));
    assert_eq!(config::admin(&main).unwrap()["bind"], "127.0.0.1:9999");
    let main = folder.write("proxy.toml", "include = [\"bad.toml\"]\n");
    assert!(config::admin(&main).unwrap_err().ends_with("proxy.toml is not TOML: say --admin"));
    let main = folder.write("proxy.toml", "include = [\"gone.toml\"]\n");
    assert!(config::admin(&main).unwrap_err().ends_with("proxy.toml includes what can't be read: say --admin"));
}

/// However keys are spread over files, they mean what they mean in one.
#[test]
fn a_file_that_is_cut_in_two_means_the_same() {
    let whole = include_str!("../../proxy.toml");
    let parsed = config::parse(whole, Path::new("proxy.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut tried = 0;
    for cut in whole.match_indices("\n[").map(|(at, _)| at + 1) {
        // the keys of one element of an array of tables stay together
        let header = whole[cut..].lines().next().unwrap();
        let is_root_table =
            ["[admin]", "[log]", "[metrics]", "[service."].iter().any(|start| header.starts_with(start));
        if !is_root_table && header != "[[listener]]" {
            continue;
        }
        let folder = folder(&[("rest.toml", &whole[cut..])]);
        let loaded = folder
            .load(&format!("include = [\"rest.toml\"]\n{}", &whole[..cut]))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let mut shown = loaded.effective.to_json();
        shown["include"] = parsed.effective.to_json()["include"].clone();
        assert_eq!(shown, parsed.effective.to_json(), "cut at {header}");
        tried += 1;
    }
    assert!(tried >= 4, "{tried}");
}
