//! Examples of Traefik and Caddy, as those of the others; and what keeps somebody out there.

use std::fs;

use super::support::Scratch;
use super::{converted, evenkeel, folder, of};

/// Each example by the name that its software gives it.
fn all_of(kind: &str, name: &str) {
    let examples = of(kind);
    assert!(examples.len() >= 10, "{}", examples.len());
    let wrong: Vec<_> = examples
        .iter()
        .flat_map(|example| {
            let end =
                example.extension().filter(|_| kind == "traefik").map(|end| format!(".{}", end.to_string_lossy()));
            converted(example, &format!("{name}{}", end.unwrap_or_default()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_example_of_traefik_converts_or_says_by_line_what_it_cannot() {
    all_of("traefik", "traefik");
}

#[test]
fn each_example_of_caddy_converts_or_says_by_line_what_it_cannot() {
    all_of("caddy", "Caddyfile");
}

#[test]
fn whose_configuration_it_is_is_told_by_its_name_or_by_what_is_in_it() {
    for (kind, file, said) in
        [("traefik", "a.yml", "(Traefik)"), ("caddy", "Caddyfile", "(Caddy)"), ("caddy", "a.txt", "(Caddy)")]
    {
        for example in of(kind) {
            let file = if example.extension().is_some_and(|end| end == "toml") { "a.toml" } else { file };
            let scratch = folder(&example, file);
            let done = evenkeel(&scratch, &["convert", file]);
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(
                text.lines().next().is_some_and(|line| line.contains(said)),
                "{} as {file}: {text}",
                example.display()
            );
        }
    }
}

#[test]
fn users_that_are_written_inline_stand_in_a_file_for_its_reader_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let hash = "$2a$05$4eK3UOM7h85TO7.B69xr8OGhgN7SMEDhBxDrIyoqUZ.XjnzwMNp4q";
    scratch.file(
        "Caddyfile",
        format!(":8080 {{\n\tbasic_auth {{\n\t\tann {hash}\n\t}}\n\treverse_proxy 127.0.0.1:1\n}}\n"),
    );
    let done = evenkeel(&scratch, &["convert", "Caddyfile", "-o", "proxy.toml"]);
    assert!(done.status.success(), "{done:?}");
    let file = scratch.path().join("users-line-2");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("ann:{hash}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let checked = evenkeel(&scratch, &["check", "-c", "proxy.toml"]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn what_keeps_somebody_out_and_cannot_be_carried_over_is_closed() {
    let scratch = Scratch::new();
    let traefik = "http:\n  routers:\n    r: { rule: PathPrefix(`/`), middlewares: [m], service: s }\n  middlewares:\n    m: { digestAuth: { users: [a] } }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    for (file, text) in [
        ("a.yml", traefik),
        ("a.Caddyfile", ":8080 {\n\t@x expression `true`\n\tabort @x\n\treverse_proxy 127.0.0.1:1\n}\n"),
    ] {
        scratch.file(file, text);
        let done = evenkeel(&scratch, &["convert", file]);
        let result = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{file}: {result}");
        assert!(result.contains("NOT AS SAFE AS THE ORIGINAL"), "{file}: {result}");
        assert!(result.contains("deny = [\"0.0.0.0/0\", \"::/0\"]"), "{file}: {result}");
    }
}
